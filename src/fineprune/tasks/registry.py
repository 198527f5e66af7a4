"""The one place that knows tasks by kind."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

from pydantic import Field

from fineprune.tasks.base import Task
from fineprune.tasks.classification import ClassificationSettings, load_classification
from fineprune.tasks.question_answering import (
    QuestionAnsweringSettings,
    load_question_answering,
)

TaskSettings = Annotated[
    ClassificationSettings | QuestionAnsweringSettings, Field(discriminator="kind")
]
"""The `task:` section of a recipe; its `kind` says which task."""

_LOADERS: Final[Mapping[type, Callable[[Any], Task]]] = {
    ClassificationSettings: load_classification,
    QuestionAnsweringSettings: load_question_answering,
}


def load_task(settings: TaskSettings) -> Task:
    """Reads and checks all data that the settings name.

    Raises:
        DataError: data are missing, malformed, or do not fit the settings.
    """
    return _LOADERS[type(settings)](settings)
