"""Metrics of predictions against labels: those of scikit-learn and SciPy, defined everywhere.

A model that was pruned too far predicts the same for everything. A correlation is not defined
there, and these libraries warn; here it is 0, which is also what they give for Matthews.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import numpy as np
import scipy.stats
import sklearn.metrics
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]


def accuracy(predicted: Array, expected: Array) -> float:
    """Share of examples whose class is right."""
    return float(sklearn.metrics.accuracy_score(expected, predicted))


def f1(predicted: Array, expected: Array) -> float:
    """F1 of the class with index 1; 0 where it is neither predicted nor there."""
    value = sklearn.metrics.f1_score(expected == 1, predicted == 1, zero_division=0.0)
    return float(value)


def macro_f1(predicted: Array, expected: Array) -> float:
    """Mean of the F1 of each class that is predicted or there."""
    value = sklearn.metrics.f1_score(expected, predicted, average="macro", zero_division=0.0)
    return float(value)


def micro_f1(predicted: Array, expected: Array) -> float:
    """F1 over all labels of all texts together; 0 where none is predicted or there.

    Args:
        predicted: zeros and ones of shape `(examples, labels)`.
        expected: of the same shape.
    """
    value = sklearn.metrics.f1_score(expected, predicted, average="micro", zero_division=0.0)
    return float(value)


def ranking_average_precision(scores: Array, expected: Array) -> float:
    """Share of right labels among those ranked down to each right one: the mean of all.

    The mean over the right labels of a text, and then over texts; 1 of one with all labels or none.

    Args:
        scores: of shape `(examples, labels)`, the larger the more probable.
        expected: zeros and ones of the same shape.
    """
    # What a model that diverged says is NaN, which scikit-learn refuses: as good as nothing.
    known = np.nan_to_num(scores, nan=0.0)
    return float(sklearn.metrics.label_ranking_average_precision_score(expected, known))


def matthews_correlation(predicted: Array, expected: Array) -> float:
    """Correlation of two classifications, of any number of classes; 0 where one is constant."""
    if _any_constant(predicted, expected):
        return 0.0
    return float(sklearn.metrics.matthews_corrcoef(expected, predicted))


def pearson(predicted: Array, expected: Array) -> float:
    """Linear correlation; 0 where one side is constant."""
    if _any_constant(predicted, expected):
        return 0.0
    return float(scipy.stats.pearsonr(predicted, expected).statistic)


def spearman(predicted: Array, expected: Array) -> float:
    """Linear correlation of ranks, equal values sharing theirs; 0 where one side is constant."""
    if _any_constant(predicted, expected):
        return 0.0
    return float(scipy.stats.spearmanr(predicted, expected).statistic)


def mse(predicted: Array, expected: Array) -> float:
    """Mean squared error."""
    # Not scikit-learn's, which refuses the NaN that a model that diverged predicts.
    return float(np.mean(np.square(predicted - expected)))


METRICS: Final[Mapping[str, Callable[[Array, Array], float]]] = {
    function.__name__: function
    for function in (accuracy, f1, macro_f1, matthews_correlation, pearson, spearman, mse)
}
"""Metrics by name: predictions and labels, both of shape `(examples,)`, to a number."""


def _any_constant(*sides: Array) -> bool:
    return any(np.ptp(side) == 0 for side in sides)
