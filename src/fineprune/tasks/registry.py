"""The one place that knows tasks by kind."""

from typing import Annotated

from pydantic import Field

from fineprune.tasks.classification import ClassificationSettings
from fineprune.tasks.question_answering import QuestionAnsweringSettings

TaskSettings = Annotated[
    ClassificationSettings | QuestionAnsweringSettings, Field(discriminator="kind")
]
"""The `task:` section of a recipe; its `kind` says which task."""
