"""What every task offers to training and evaluation."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar, cast, get_args

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray

from fineprune.errors import DataError, RecipeError
from fineprune.text.tokenizer import Tokenizer
from fineprune.wording import listed

Logits = tuple[np.ndarray, ...]
"""A model's head outputs over a whole set, float32: `(logits,)` of shape `(examples, labels)` or
`(windows, tokens, labels)`, or `(start_logits, end_logits)` of shape `(windows, tokens)` each."""

Metrics = dict[str, float]

Split = Literal["validation", "test"]

ClassWeights = Literal["balanced"] | Mapping[str, float]
"""What the classes of a task weigh in its loss: as rare as they are, or by name."""


def split_named(name: str) -> Split:
    """The split of that name.

    Raises:
        RecipeError: there is none.
    """
    for split in get_args(Split):
        if split == name:
            return cast(Split, split)
    raise RecipeError(f"split {name!r}: expected one of {listed(get_args(Split))}")


@dataclass(frozen=True)
class Head:
    """The task head a model needs.

    Attributes:
        auto_model: name of the `transformers` auto class, such as
            `"AutoModelForSequenceClassification"`.
        config: what the head adds to the model's config (`num_labels`, `id2label`, ...).
    """

    auto_model: str
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class EvaluationSet:
    """One set to evaluate on, tokenized, with its way from logits to metrics.

    Attributes:
        name: `""` where a task has one set; otherwise what tells it apart (MNLI: `"matched"`).
        features: one row a model input, columns that the model's `forward` takes.
        examples: number of examples (one example may have several rows in `features`).
        score: logits over all rows of `features`, in their order, to metrics.
        predictions: logits to what is written to the predictions file (JSON-serialisable).
        notes: one line for each thing that looks wrong in the set, as this tokenizer reads it.
    """

    name: str
    features: Dataset
    examples: int
    score: Callable[[Logits], Metrics]
    predictions: Callable[[Logits], Any]
    notes: tuple[str, ...] = ()


def metric_name(evaluation_set: EvaluationSet, metric: str) -> str:
    """What a metric of one set is called among those of all; sets without a name add none."""
    return f"{evaluation_set.name}_{metric}" if evaluation_set.name else metric


def score_sets(sets: Sequence[EvaluationSet], logits: Sequence[Logits]) -> Metrics:
    """The metrics of several sets; names of sets, where there are several, are put before theirs.

    Args:
        sets: the sets.
        logits: of each of them.
    """
    metrics: Metrics = {}
    for one, its_logits in zip(sets, logits, strict=True):
        scores = one.score(its_logits)
        metrics |= {metric_name(one, name): value for name, value in scores.items()}
    return metrics


def predictions_of_sets(sets: Sequence[EvaluationSet], logits: Sequence[Logits]) -> Any:
    """What is read from the logits of each set; JSON-serialisable."""
    answers = {
        one.name: one.predictions(its_logits) for one, its_logits in zip(sets, logits, strict=True)
    }
    return answers[""] if answers.keys() == {""} else answers


@dataclass(frozen=True)
class Evaluation:
    """Metrics of a model on one split.

    Attributes:
        metrics: by name; sets of a task that has several are told apart by a prefix.
        examples: how many examples they were computed on.
        density: kept over prunable weights; of a packed file, over those of the matrices in layers.
        predictions: what the model answered, JSON-serialisable.
        notes: one line for each thing that was dropped or looks wrong in the data.
    """

    metrics: Metrics
    examples: int
    density: float
    predictions: Any
    notes: tuple[str, ...] = ()


def evaluation_of(
    sets: Sequence[EvaluationSet],
    logits: Sequence[Logits],
    *,
    density: float,
    notes: tuple[str, ...],
) -> Evaluation:
    """What a model's logits over the sets of a split come to.

    Args:
        sets: the sets.
        logits: of each of them.
        density: of the model.
        notes: of the task.
    """
    return Evaluation(
        metrics=score_sets(sets, logits),
        examples=sum(one.examples for one in sets),
        density=density,
        predictions=predictions_of_sets(sets, logits),
        notes=(*notes, *(note for one in sets for note in one.notes)),
    )


class Task(ABC):
    """A task with its raw data loaded and checked; made by `load_task`.

    Attributes:
        head: the head a model needs for this task.
        metric: name of the headline metric among those `score` returns.
        notes: one line for each thing that was dropped or looks wrong in the data.
    """

    head: Head
    metric: str
    notes: tuple[str, ...]

    @property
    @abstractmethod
    def splits(self) -> frozenset[Split]:
        """The splits that can be evaluated on."""

    def class_weights(self, wanted: ClassWeights, features: Dataset) -> NDArray[np.float32]:
        """What each output weighs in the loss, of shape `(labels,)`.

        Args:
            wanted: as the recipe has it.
            features: of the training set.

        Raises:
            RecipeError: the task has no such classes.
        """
        raise RecipeError(
            "training.class_weights: this task has no classes that could weigh more or less; "
            "leave it out"
        )

    @abstractmethod
    def training_features(self, tokenizer: Tokenizer) -> Dataset:
        """Tokenized training set: model inputs with labels, one row an input, not padded.

        Raises:
            DataError: the task was loaded without training data.
        """

    @abstractmethod
    def evaluation_sets(
        self, tokenizer: Tokenizer, split: Split = "validation"
    ) -> tuple[EvaluationSet, ...]:
        """Tokenized sets to evaluate on.

        Raises:
            DataError: the task was loaded without data for `split`.
        """


Set = TypeVar("Set")
"""Checked rows of one set of a task, as the task keeps them."""


class TaskOfSets(Task, Generic[Set]):
    """A task that holds a training set, and sets to evaluate on, by split and name.

    Attributes:
        train: the set to train on; None where the task is only evaluated.
        evaluation: of each split, the sets by name.
    """

    train: Set | None
    evaluation: Mapping[Split, Mapping[str, Set]]

    @property
    def splits(self) -> frozenset[Split]:
        """The splits whose sets the task was loaded with."""
        return frozenset(split for split, sets in self.evaluation.items() if sets)

    def training_set(self) -> Set:
        """The set to train on.

        Raises:
            DataError: there is none.
        """
        if self.train is None:
            raise DataError("the recipe names no training data: set task.train")
        return self.train

    def sets_of(self, split: Split) -> Mapping[str, Set]:
        """The sets of a split, by name.

        Raises:
            DataError: there are none.
        """
        sets = self.evaluation.get(split)
        if not sets:
            raise DataError(f"the recipe names no {split} data: set task.{split}")
        return sets
