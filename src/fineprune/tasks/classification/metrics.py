"""Metrics of predictions against labels, in float64.

`torchmetrics` has all of them, in float32 and with two conventions that differ from what GLUE is
scored with: its Matthews correlation is 1 or -1, not 0, where everything is of one class, and its
correlations warn and give NaN where predictions are constant, as those of a model that was pruned
too far are. Here a correlation that is not defined is 0.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]


def accuracy(predicted: Array, expected: Array) -> float:
    """Share of examples whose class is right."""
    return float(np.mean(predicted == expected))


def f1(predicted: Array, expected: Array) -> float:
    """F1 of the class with index 1; 0 where it is neither predicted nor there."""
    hits, said, there = _counts(predicted == 1, expected == 1)
    return float(2 * hits[1] / max(said[1] + there[1], 1))


def macro_f1(predicted: Array, expected: Array) -> float:
    """Mean of the F1 of each class that is predicted or there."""
    hits, said, there = _counts(predicted, expected)
    seen = said + there > 0
    return float(np.mean(2 * hits[seen] / (said + there)[seen]))


def matthews_correlation(predicted: Array, expected: Array) -> float:
    """Correlation of two classifications, of any number of classes.

    Gorodkin 2004, "Comparing two K-category assignments by a K-category correlation coefficient",
    equation 8, on counts.
    """
    hits, said, there = (counts.astype(float) for counts in _counts(predicted, expected))
    total = len(expected)
    spread = (total**2 - said @ said) * (total**2 - there @ there)
    return float((hits.sum() * total - said @ there) / np.sqrt(spread)) if spread else 0.0


def pearson(predicted: Array, expected: Array) -> float:
    """Linear correlation."""
    if np.ptp(predicted) == 0 or np.ptp(expected) == 0:
        return 0.0
    return float(_direction(predicted) @ _direction(expected))


def spearman(predicted: Array, expected: Array) -> float:
    """Linear correlation of ranks; equal values share the mean of their ranks."""
    return pearson(_ranks(predicted), _ranks(expected))


def mse(predicted: Array, expected: Array) -> float:
    """Mean squared error."""
    return float(np.mean(np.square(predicted - expected)))


METRICS: Final[Mapping[str, Callable[[Array, Array], float]]] = {
    function.__name__: function
    for function in (accuracy, f1, macro_f1, matthews_correlation, pearson, spearman, mse)
}
"""Metrics by name: predictions and labels, both of shape `(examples,)`, to a number."""


def _counts(predicted: Array, expected: Array) -> tuple[Array, Array, Array]:
    """Per class: how often it was rightly predicted, predicted, and there."""
    predicted, expected = predicted.astype(int), expected.astype(int)
    classes = max(predicted.max(), expected.max(), 1) + 1
    hits, said, there = (
        np.bincount(classes_of, minlength=classes)
        for classes_of in (expected[predicted == expected], predicted, expected)
    )
    return hits, said, there


def _direction(values: Array) -> Array:
    """The values around their mean, scaled to length 1."""
    centred = values.astype(float) - np.mean(values, dtype=float)
    direction: Array = centred / np.linalg.norm(centred)
    return direction


def _ranks(values: Array) -> Array:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Array = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return ranks
