"""What classes weigh: scikit-learn's balance, and weights by name."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from fineprune.errors import RecipeError
from fineprune.tasks.class_weights import weights_of_classes, weights_of_presence

NAMES = ("red", "green", "blue")


@given(st.lists(st.integers(0, 2), min_size=1, max_size=40))
def test_balanced_as_scikit_learn_has_it(labels: list[int]) -> None:
    counts = np.bincount(labels, minlength=3)
    found = weights_of_classes("balanced", NAMES, counts)
    there = np.unique(labels)
    expected = compute_class_weight("balanced", classes=there, y=np.array(labels))
    np.testing.assert_allclose(found[there], expected, rtol=1e-6)


@given(
    st.lists(st.integers(0, 9), min_size=3, max_size=3).filter(any),
    st.dictionaries(st.sampled_from(NAMES), st.floats(0.01, 100)),
)
def test_examples_weigh_one_in_the_mean(counts: list[int], wanted: dict[str, float]) -> None:
    weights = weights_of_classes(wanted, NAMES, np.array(counts))
    assert weights @ np.array(counts) == pytest.approx(sum(counts), rel=1e-5)


def test_weights_by_name_keep_their_ratios() -> None:
    weights = weights_of_classes({"blue": 4, "red": 2}, NAMES, np.array([1, 2, 1]))
    assert weights.dtype == np.float32
    assert weights.tolist() == [1.0, 0.5, 2.0]  # 2, 1 and 4, half as much: their mean was 2


def test_presence_weighs_as_much_as_absence() -> None:
    weights = weights_of_presence("balanced", NAMES, np.array([2, 8, 10]), examples=10)
    assert weights.tolist() == [4.0, 0.25, 1.0]
    assert weights_of_presence({"green": 3}, NAMES, np.array([2, 8, 0]), 10).tolist() == [1, 3, 1]
    assert weights_of_presence("balanced", NAMES, np.array([0, 5, 5]), 10).tolist() == [1, 1, 1]


def test_a_name_that_is_no_label() -> None:
    expected = "there is no label 'pink'; the task has 'red', 'green', 'blue'"
    with pytest.raises(RecipeError, match=expected):
        weights_of_classes({"pink": 1}, NAMES, np.array([1, 1, 1]))
    with pytest.raises(RecipeError, match=expected):
        weights_of_presence({"pink": 1}, NAMES, np.array([1, 1, 1]), 3)
