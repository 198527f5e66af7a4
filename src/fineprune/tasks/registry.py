"""The one place that knows tasks by kind."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Final

from pydantic import Field

from fineprune.tasks.base import Split, Task
from fineprune.tasks.classification import ClassificationSettings, load_classification
from fineprune.tasks.question_answering import (
    QuestionAnsweringSettings,
    load_question_answering,
)
from fineprune.tasks.reranking import RerankingSettings, load_reranking
from fineprune.tasks.sentence_embedding import (
    SentenceEmbeddingSettings,
    load_sentence_embedding,
)
from fineprune.tasks.token_classification import (
    TokenClassificationSettings,
    load_token_classification,
)

TaskSettings = Annotated[
    ClassificationSettings
    | QuestionAnsweringSettings
    | RerankingSettings
    | SentenceEmbeddingSettings
    | TokenClassificationSettings,
    Field(discriminator="kind"),
]
"""The `task:` section of a recipe; its `kind` says which task."""

_LOADERS: Final[Mapping[type, Callable[..., Task]]] = {
    ClassificationSettings: load_classification,
    QuestionAnsweringSettings: load_question_answering,
    RerankingSettings: load_reranking,
    SentenceEmbeddingSettings: load_sentence_embedding,
    TokenClassificationSettings: load_token_classification,
}


def load_task(
    settings: TaskSettings, *, only: Split | None = None, labels: Sequence[str] = ()
) -> Task:
    """Reads and checks the data that the settings name.

    Args:
        settings: the `task:` section of a recipe.
        only: the one split to read, to evaluate a model on it; None for all that there are.
        labels: names of the classes that the model predicts, in its order, where `only` is given
            and the settings do not name them. Without either, they are learned from the training
            set, which then has to be read as well.

    Raises:
        DataError: data are missing, malformed, or do not fit the settings.
    """
    return _LOADERS[type(settings)](settings, only=only, labels=labels)
