"""What a recipe says of the task, and how it becomes one."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, FiniteFloat, StrictBool, model_validator
from pydantic.dataclasses import dataclass

from fineprune.tasks.question_answering.answers import AnswerRules
from fineprune.tasks.question_answering.examples import SetName
from fineprune.tasks.question_answering.sets import MisalignedPolicy, read_set
from fineprune.tasks.question_answering.source import Source
from fineprune.tasks.question_answering.task import QuestionAnswering
from fineprune.tasks.question_answering.windows import WindowShape


def _source(value: object) -> object:
    if isinstance(value, str):
        return {"path": value}
    if isinstance(value, Mapping | Source):
        return value
    raise ValueError("expected a file, the name of a data set, or {path: ..., articles: ...}")


_Source = Annotated[Source, BeforeValidator(_source)]
_Count = Annotated[int, Field(strict=True, ge=1)]


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class QuestionAnsweringSettings:
    """Settings of extractive question answering.

    A set is a JSON file in SQuAD format (`data/train-v1.1.json`), a data set of the hub by name
    or local folder (`rajpurkar/squad_v2`), or a mapping with the keys of `Source`
    (`{path: data/train-v1.1.json, articles: "0:38"}`).

    Attributes:
        kind: tells the tasks apart.
        train: the set to train on.
        validation: the set to evaluate on during and after training.
        test: the set to evaluate on at the end.
        unanswerable: whether questions may have no answer (SQuAD 2.0); it decides between the
            metrics of the official 1.1 and 2.0 scripts.
        max_length: longest model input in tokens; contexts that do not fit are cut into windows.
        stride: tokens that neighbouring windows share; a longer answer may stand whole in none.
        max_answer_length: longest answer in tokens that is predicted.
        n_best: starts and ends looked at in each window, and answers kept of each question.
        null_threshold: "no answer" is predicted if it scores better than the best answer by more
            than this; the larger, the fewer questions stay unanswered.
        misaligned: what happens to answers that do not stand at their `answer_start`: `drop`
            takes them out of the training set and notes it, `refuse` stops.
    """

    kind: Literal["question-answering"] = "question-answering"
    train: _Source | None = None
    validation: _Source | None = None
    test: _Source | None = None
    unanswerable: StrictBool = False
    max_length: _Count = 384
    stride: Annotated[int, Field(strict=True, ge=0)] = 128
    max_answer_length: _Count = 30
    n_best: _Count = 20
    null_threshold: Annotated[FiniteFloat, Field(strict=True)] = 0.0
    misaligned: MisalignedPolicy = "drop"

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.stride >= self.max_length:
            raise ValueError(f"stride {self.stride} must be less than max_length {self.max_length}")
        if self.null_threshold and not self.unanswerable:
            raise ValueError(
                f"null_threshold {self.null_threshold} has no effect without unanswerable: true"
            )
        return self

    def load(self) -> QuestionAnswering:
        """Reads and checks all sets.

        Raises:
            DataError: a set is missing, empty, malformed, has questions without answers that
                `unanswerable` does not allow, or misaligned answers that `misaligned` refuses.
        """
        sources: dict[SetName, Source | None] = {
            "train": self.train,
            "validation": self.validation,
            "test": self.test,
        }
        sets = {
            name: read_set(source, name, unanswerable=self.unanswerable, misaligned=self.misaligned)
            for name, source in sources.items()
            if source is not None
        }
        return QuestionAnswering(
            examples={name: loaded.examples for name, loaded in sets.items()},
            windows=WindowShape(self.max_length, self.stride),
            rules=AnswerRules(
                self.n_best,
                self.max_answer_length,
                self.null_threshold if self.unanswerable else None,
            ),
            notes=tuple(note for loaded in sets.values() for note in loaded.notes),
        )
