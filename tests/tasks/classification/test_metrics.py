"""Metrics against values by hand, and against scikit-learn and scipy."""

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics
from hypothesis import assume, given
from hypothesis import strategies as st

from fineprune.tasks.classification.metrics import METRICS, Array


def compute(name: str, predicted: list[float] | Array, expected: list[float] | Array) -> float:
    return METRICS[name](np.asarray(predicted), np.asarray(expected))


@pytest.mark.parametrize(
    ("name", "predicted", "expected", "value"),
    [
        ("accuracy", [0, 1, 2, 2], [0, 1, 1, 2], 3 / 4),
        # Class 1: 2 hits, 3 predicted, 4 there.
        ("f1", [1, 1, 1, 0, 0], [1, 1, 0, 1, 1], 4 / 7),
        ("f1", [0, 0], [0, 0], 0.0),
        # F1 of the classes 0, 1, 3: 2/3, 2/3, 0; class 2 is nowhere and does not count.
        ("macro_f1", [0, 1, 1], [0, 1, 3], (1 + 2 / 3 + 0) / 3),
        # Confusion matrix TP 2, TN 1, FP 1, FN 1: (2 * 1 - 1 * 1) / sqrt(3 * 3 * 2 * 2).
        ("matthews_correlation", [1, 1, 0, 0, 1], [1, 1, 0, 1, 0], 1 / 6),
        ("matthews_correlation", [1, 0, 1], [0, 1, 0], -1.0),
        ("matthews_correlation", [1, 1, 1], [0, 1, 0], 0.0),
        ("matthews_correlation", [1, 1], [1, 1], 0.0),
        ("matthews_correlation", [1, 1], [0, 0], 0.0),
        # Around their means: (-1, 0, 1) and (-2, 1, 1); 3 / sqrt(2 * 6).
        ("pearson", [1, 2, 3], [0, 3, 3], 3 / np.sqrt(12)),
        ("pearson", [0.1] * 7, [1, 2, 3, 4, 5, 6, 7], 0.0),
        ("pearson", [1, 2, 3], [4, 4, 4], 0.0),
        # Ranks (1, 2, 3, 4) and (1, 3, 3, 3): 4.5 - 1.5 = 3 over sqrt(5 * 3).
        ("spearman", [10, 20, 30, 400], [0, 5, 5, 5], 3 / np.sqrt(15)),
        ("spearman", [1, 1], [1, 2], 0.0),
        ("mse", [1.0, 2.0], [3.0, 2.0], 2.0),
    ],
)
def test_values_by_hand(
    name: str, predicted: list[float], expected: list[float], value: float
) -> None:
    assert compute(name, predicted, expected) == pytest.approx(value, abs=1e-15)


def pairs_of(values: st.SearchStrategy[float]) -> st.SearchStrategy[list[tuple[float, float]]]:
    return st.lists(st.tuples(values, values), min_size=2, max_size=40)


@given(pairs_of(st.integers(0, 4)))
def test_class_metrics_are_those_of_scikit_learn(pairs: list[tuple[float, float]]) -> None:
    predicted, expected = (list(column) for column in zip(*pairs, strict=True))
    assert compute("accuracy", predicted, expected) == pytest.approx(
        sklearn.metrics.accuracy_score(expected, predicted)
    )
    assert compute("macro_f1", predicted, expected) == pytest.approx(
        sklearn.metrics.f1_score(expected, predicted, average="macro", zero_division=0)
    )
    assume(len({*predicted, *expected}) > 1)  # scikit-learn warns
    assert compute("matthews_correlation", predicted, expected) == pytest.approx(
        sklearn.metrics.matthews_corrcoef(expected, predicted), abs=1e-12
    )


@given(pairs_of(st.integers(0, 1)))
def test_f1_is_that_of_scikit_learn(pairs: list[tuple[float, float]]) -> None:
    predicted, expected = (list(column) for column in zip(*pairs, strict=True))
    assert compute("f1", predicted, expected) == pytest.approx(
        sklearn.metrics.f1_score(expected, predicted, zero_division=0)
    )


@given(pairs_of(st.integers(-50, 50).map(lambda i: i / 8)))
def test_correlations_are_those_of_scipy(pairs: list[tuple[float, float]]) -> None:
    predicted, expected = (list(column) for column in zip(*pairs, strict=True))
    assume(len(set(predicted)) > 1)
    assume(len(set(expected)) > 1)
    assert compute("pearson", predicted, expected) == pytest.approx(
        scipy.stats.pearsonr(predicted, expected).statistic, abs=1e-12
    )
    assert compute("spearman", predicted, expected) == pytest.approx(
        scipy.stats.spearmanr(predicted, expected).statistic, abs=1e-12
    )


def test_predictions_that_hardly_vary_are_correlated_without_loss() -> None:
    expected = np.arange(10.0)
    assert compute("pearson", 2.5 + 1e-9 * expected, expected) == pytest.approx(1.0, abs=1e-6)
