"""What a task predicts: one of several classes, or a number."""

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Final, final

import numpy as np
from numpy.typing import NDArray

from fineprune.errors import RecipeError
from fineprune.tasks.base import ClassWeights, Head, Logits, Metrics
from fineprune.tasks.class_weights import weights_of_classes
from fineprune.tasks.classification.labels import (
    UnusableValueError,
    is_missing,
    label_name,
    without_fraction,
)
from fineprune.tasks.classification.metrics import METRICS
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

    @abstractmethod
    def head(self) -> Head:
        """The head that a model needs to predict this."""

    @abstractmethod
    def encode(self, value: object) -> float:
        """A raw label to the number that the model learns.

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
        """Predictions of shape `(examples,)`, to be compared with encoded labels."""

    @abstractmethod
    def describe(self, logits: Logits) -> list[dict[str, Any]]:
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

    @final
    def score(self, logits: Logits, labels: NDArray[Any]) -> Metrics:
        """All metrics of the logits against encoded labels of shape `(examples,)`."""
        predicted = self.predict(logits)
        return {name: METRICS[name](predicted, labels) for name in self.metrics}


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
        return Head(
            _AUTO_MODEL,
            {
                "num_labels": len(self.names),
                "id2label": dict(enumerate(self.names)),
                "label2id": {name: i for i, name in enumerate(self.names)},
                "problem_type": "single_label_classification",
            },
        )

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

    def describe(self, logits: Logits) -> list[dict[str, Any]]:
        """The predicted number: `{"value": number}`."""
        return [{"value": value} for value in self.predict(logits).tolist()]
