"""What models do with texts, by the head that they have."""

from collections.abc import Callable, Mapping

from fineprune.engine import heads
from fineprune.engine.tasks.question_answering import QuestionAnswering
from fineprune.engine.tasks.sentence_embedding import SentenceEmbedding
from fineprune.engine.tasks.task import Limit, Task, TaskSource
from fineprune.engine.tasks.text_classification import TextClassification
from fineprune.engine.tasks.token_classification import TokenClassification

__all__ = [
    "Limit",
    "QuestionAnswering",
    "SentenceEmbedding",
    "Task",
    "TaskSource",
    "TextClassification",
    "TokenClassification",
    "make_task",
]

_TASKS: Mapping[type[heads.Head], Callable[[TaskSource], Task]] = {
    heads.QuestionAnswering: QuestionAnswering,
    heads.SentenceEmbedding: SentenceEmbedding,
    heads.SequenceClassification: TextClassification,
    heads.TokenClassification: TokenClassification,
}


def make_task(source: TaskSource) -> Task:
    """What a model does with texts."""
    return _TASKS[type(source.model.head)](source)
