"""The `task:` section of a recipe, for extractive question answering."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, FiniteFloat, StrictBool, model_validator
from pydantic.dataclasses import dataclass

from fineprune.tasks.data import SquadSource

MisalignedPolicy = Literal["drop", "refuse"]


def _source(value: object) -> object:
    if isinstance(value, str):
        return {"path": value}
    if isinstance(value, Mapping | SquadSource):
        return value
    raise ValueError("expected a file, the name of a data set, or {path: ..., articles: ...}")


_Source = Annotated[SquadSource, BeforeValidator(_source)]
_Count = Annotated[int, Field(strict=True, ge=1)]


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class QuestionAnsweringSettings:
    """Questions that are answered by a span of their context, or by none.

    A set is a JSON file in SQuAD format (`data/train-v1.1.json`), a `.jsonl` or `.parquet` file of
    rows with `question`, `context` and `answers`, a data set of the hub by name
    or local folder (`rajpurkar/squad_v2`), or a mapping with the keys of `task.train`
    (`{path: data/train-v1.1.json, articles: "0:38"}`).

    Attributes:
        kind: which task this is.
        train: the set to train on.
        validation: the set to evaluate on during and after training.
        test: the set to evaluate on at the end.
        unanswerable: whether questions may have no answer (SQuAD 2.0), for which an answer without
            text may stand; decides between the metrics of the official 1.1 and 2.0 scripts.
        max_length: longest model input in tokens; contexts that do not fit are cut into windows.
        stride: tokens that neighbouring windows share; a longer answer may stand whole in none.
        max_answer_length: longest answer in tokens that is predicted.
        n_best: starts and ends looked at in each window, and answers kept of each question.
        null_threshold: "no answer" is predicted if it scores better than the best answer by more
            than this; the larger, the fewer questions stay unanswered.
        misaligned: what happens to answers that are not at their `answer_start`: `drop` takes them
            out of the training set and notes it, `refuse` stops.
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
