"""What a task predicts: one of several classes, any number of them, or a number."""

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Final, final

import numpy as np
import pyarrow
from datasets import List, Value
from numpy.typing import NDArray

from fineprune.errors import RecipeError
from fineprune.tasks.base import ClassWeights, Head, Logits, Metrics
from fineprune.tasks.class_weights import weights_of_classes, weights_of_presence
from fineprune.tasks.classification.labels import (
    UnusableValueError,
    is_missing,
    label_name,
    label_names,
    without_fraction,
)
from fineprune.tasks.classification.metrics import (
    METRICS,
    f1,
    macro_f1,
    micro_f1,
    ranking_average_precision,
)
from fineprune.wording import listed, quoted

_AUTO_MODEL: Final = "AutoModelForSequenceClassification"
_HIDDEN: Final = "-1"


class Target(ABC):
    """What a task predicts, between raw labels, logits and metrics.

    Attributes:
        metrics: names of the metrics, the headline first.
        dtype: of encoded labels, `"int64"` or `"float32"`, as the loss takes them.
    """

    metrics: tuple[str, ...]
    dtype: ClassVar[str]

    @property
    def feature(self) -> Value | List:
        """The type of the column of labels among model inputs."""
        return Value(self.dtype)

    @property
    def arrow_type(self) -> pyarrow.DataType:
        """The type of a column of encoded labels."""
        return pyarrow.type_for_alias(self.dtype)

    def to_array(self, column: pyarrow.ChunkedArray) -> NDArray[Any]:
        """A column of encoded labels as an array, one row an example."""
        labels: NDArray[Any] = column.to_numpy()
        return labels

    @abstractmethod
    def head(self) -> Head:
        """The head that a model needs to predict this."""

    @abstractmethod
    def encode(self, value: object) -> float | list[float]:
        """A raw label to the number, or the numbers, that the model learns.

        Raises:
            UnusableValueError: the value is missing or does not fit.
        """

    @abstractmethod
    def hides(self, value: object) -> bool:
        """Whether a value may stand for a hidden label, as in the test sets of GLUE."""

    @abstractmethod
    def absent(self, labels: NDArray[Any]) -> tuple[str, ...]:
        """Names of the classes that do not occur among encoded labels."""

    @abstractmethod
    def predict(self, logits: Logits) -> NDArray[Any]:
        """Predictions, to be compared with encoded labels, and of their shape."""

    @abstractmethod
    def describe(self, logits: Logits) -> Sequence[Any]:
        """Predictions for people and programs, one an example, JSON-serialisable."""

    def class_weights(self, wanted: ClassWeights, labels: NDArray[Any]) -> NDArray[np.float32]:
        """What each output weighs in the loss, of shape `(outputs,)`.

        Args:
            wanted: as the recipe has it.
            labels: encoded, of the training set.

        Raises:
            RecipeError: there are no classes, or one is named that is none.
        """
        raise RecipeError(
            "training.class_weights: a number has no classes that could weigh more or less; "
            "leave it out"
        )

    @abstractmethod
    def score(self, logits: Logits, labels: NDArray[Any]) -> Metrics:
        """All metrics of the logits against encoded labels."""


@final
@dataclass(frozen=True)
class Classes(Target):
    """One of several classes.

    Attributes:
        names: of the classes, in the order of the logits.
        metrics: names of the metrics, the headline first.
        by_index: whether a label may also be given as its place in `names`, as GLUE does.
    """

    names: tuple[str, ...]
    metrics: tuple[str, ...] = ("accuracy", "macro_f1")
    by_index: bool = False
    dtype: ClassVar[str] = "int64"

    @property
    def known(self) -> Collection[str]:
        """The texts that name a class."""
        return self._places.keys()

    @cached_property
    def _places(self) -> Mapping[str, int]:
        places = {str(i): i for i in range(len(self.names))} if self.by_index else {}
        return places | {name: i for i, name in enumerate(self.names)}

    def head(self) -> Head:
        """A logit for each class, learned by cross-entropy."""
        return class_head(self.names, "single_label_classification")

    def encode(self, value: object) -> int:
        """The place of the class in `names`."""
        name = label_name(value)
        if name not in self._places:
            raise UnusableValueError(
                f"the label {quoted(name)} is unknown: known are {listed(self.names)}"
            )
        return self._places[name]

    def hides(self, value: object) -> bool:
        """No label, or -1 where that is the name of no class."""
        hidden = without_fraction(str(value)) == _HIDDEN and _HIDDEN not in self.known
        return hidden or is_missing(value)

    def class_weights(self, wanted: ClassWeights, labels: NDArray[Any]) -> NDArray[np.float32]:
        """By how often classes occur, or by name; examples weigh 1 in the mean."""
        return weights_of_classes(
            wanted, self.names, np.bincount(labels, minlength=len(self.names))
        )

    def absent(self, labels: NDArray[Any]) -> tuple[str, ...]:
        """Names of the classes that do not occur among encoded labels."""
        there = set(labels.tolist())
        return tuple(name for place, name in enumerate(self.names) if place not in there)

    def predict(self, logits: Logits) -> NDArray[Any]:
        """The class of the largest logit, the first of equal ones."""
        (scores,) = logits
        places: NDArray[Any] = scores.argmax(axis=1)
        return places

    def score(self, logits: Logits, labels: NDArray[Any]) -> Metrics:
        """Its metrics."""
        return scores_of(self.metrics, self.predict(logits), labels)

    def describe(self, logits: Logits) -> list[dict[str, Any]]:
        """The predicted class and its probability: `{"label": name, "score": probability}`."""
        (scores,) = logits
        exponentials = np.exp(scores.astype(float) - scores.max(axis=1, keepdims=True))
        probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
        return [
            {"label": self.names[place], "score": float(row[place])}
            for place, row in zip(self.predict(logits), probabilities, strict=True)
        ]


@final
@dataclass(frozen=True)
class LabelSet(Target):
    """Any number of labels, each of them there or not, whatever the others are.

    Attributes:
        names: of the labels, in the order of the logits.
        threshold: the probability from which on a label is predicted.
        metrics: names of the metrics, the headline first; the F1 of each label comes behind them.
    """

    names: tuple[str, ...]
    threshold: float = 0.5
    metrics: tuple[str, ...] = ("macro_f1", "micro_f1", "ranking_average_precision")
    dtype: ClassVar[str] = "float32"

    @property
    def feature(self) -> List:
        """A number for each label."""
        return List(Value(self.dtype))

    @property
    def arrow_type(self) -> pyarrow.DataType:
        """A list of as many numbers as there are labels."""
        return pyarrow.list_(super().arrow_type, len(self.names))

    def to_array(self, column: pyarrow.ChunkedArray) -> NDArray[Any]:
        """Zeros and ones of shape `(examples, labels)`."""
        numbers: NDArray[Any] = column.combine_chunks().flatten().to_numpy()
        return numbers.reshape(-1, len(self.names))

    def head(self) -> Head:
        """A logit for each label, learned by binary cross-entropy."""
        return class_head(self.names, "multi_label_classification")

    def encode(self, value: object) -> list[float]:
        """Ones at the places of the labels in `names`, zeros elsewhere."""
        present = label_names(value)
        if unknown := [name for name in present if name not in self.names]:
            raise UnusableValueError(
                f"the label {quoted(unknown[0])} is unknown: known are {listed(self.names)}"
            )
        if isinstance(value, Mapping) and (lost := [n for n in self.names if n not in value]):
            raise UnusableValueError(f"nothing is said of the label {quoted(lost[0])}")
        return [float(name in present) for name in self.names]

    def hides(self, value: object) -> bool:
        """No list; an empty one is a text without labels."""
        return is_missing(value)

    def class_weights(self, wanted: ClassWeights, labels: NDArray[Any]) -> NDArray[np.float32]:
        """What the presence of each label counts for, against 1 for its absence."""
        present = labels.sum(axis=0).astype(np.int64)
        return weights_of_presence(wanted, self.names, present, len(labels))

    def absent(self, labels: NDArray[Any]) -> tuple[str, ...]:
        """Names of the labels that no text has."""
        return tuple(self.names[place] for place in np.flatnonzero(labels.sum(axis=0) == 0))

    def probabilities(self, logits: Logits) -> NDArray[Any]:
        """Of each label for itself, of shape `(examples, labels)`."""
        (scores,) = logits
        probabilities: NDArray[Any] = 0.5 + 0.5 * np.tanh(0.5 * scores.astype(float))
        return probabilities

    def predict(self, logits: Logits) -> NDArray[Any]:
        """1 where a label is predicted, else 0."""
        return (self.probabilities(logits) >= self.threshold).astype(int)

    def score(self, logits: Logits, labels: NDArray[Any]) -> Metrics:
        """Its metrics, and the F1 of each label."""
        expected = labels.astype(int)
        predicted, probabilities = self.predict(logits), self.probabilities(logits)
        return {
            "macro_f1": macro_f1(predicted, expected),
            "micro_f1": micro_f1(predicted, expected),
            "ranking_average_precision": ranking_average_precision(probabilities, expected),
            **{
                f"f1_{name}": f1(predicted[:, place], expected[:, place])
                for place, name in enumerate(self.names)
            },
        }

    def describe(self, logits: Logits) -> list[list[dict[str, Any]]]:
        """The predicted labels, most probable first: `[{"label": name, "score": probability}]`."""
        found = []
        for row in self.probabilities(logits):
            order = [
                place for place in np.argsort(-row, kind="stable") if row[place] >= self.threshold
            ]
            found.append(
                [{"label": self.names[place], "score": float(row[place])} for place in order]
            )
        return found


def class_head(names: Sequence[str], problem: str) -> Head:
    """A logit for each of the names, learned as `problem_type` of the model's config says."""
    return Head(
        _AUTO_MODEL,
        {
            "num_labels": len(names),
            "id2label": dict(enumerate(names)),
            "label2id": {name: place for place, name in enumerate(names)},
            "problem_type": problem,
        },
    )


def scores_of(names: Sequence[str], predicted: NDArray[Any], labels: NDArray[Any]) -> Metrics:
    """Metrics by name, of predictions against encoded labels, both of shape `(examples,)`."""
    return {name: METRICS[name](predicted, labels) for name in names}


@final
@dataclass(frozen=True)
class Quantity(Target):
    """A number.

    Attributes:
        metrics: names of the metrics, the headline first.
    """

    metrics: tuple[str, ...] = ("pearson", "spearman", "mse")
    dtype: ClassVar[str] = "float32"

    def head(self) -> Head:
        """One output, learned by mean squared error."""
        return Head(_AUTO_MODEL, {"num_labels": 1, "problem_type": "regression"})

    def encode(self, value: object) -> float:
        """The number itself, which may be written as text."""
        if value is None or value == "":
            raise UnusableValueError("the label is missing")
        try:
            number = float(value) if isinstance(value, str | int | float) else math.nan
        except (OverflowError, ValueError):
            number = math.nan
        if isinstance(value, bool) or not math.isfinite(number):
            raise UnusableValueError(f"the label {quoted(value)} is not a finite number")
        return number

    def hides(self, value: object) -> bool:
        """No label, or -1."""
        return value in (-1, "-1", "-1.0") or is_missing(value)

    def absent(self, labels: NDArray[Any]) -> tuple[str, ...]:
        """None: a number has no classes."""
        return ()

    def predict(self, logits: Logits) -> NDArray[Any]:
        """The output."""
        (outputs,) = logits
        return outputs[:, 0].astype(float)

    def score(self, logits: Logits, labels: NDArray[Any]) -> Metrics:
        """Its metrics."""
        return scores_of(self.metrics, self.predict(logits), labels)

    def describe(self, logits: Logits) -> list[dict[str, Any]]:
        """The predicted number: `{"value": number}`."""
        return [{"value": value} for value in self.predict(logits).tolist()]
