from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from fineprune.core.selection import keep_largest, kth_largest, share_among
from tests.oracles import first_largest, first_largest_overall

Floats = NDArray[np.float32]

# Few distinct values make ties; the others reach every exponent, subnormal numbers included.
FEW = st.sampled_from([-1.0, -0.0, 0.0, 0.5, 1.0])
ANY = st.floats(width=32, allow_nan=False, allow_infinity=False)
VECTORS = hnp.arrays(np.float32, st.integers(1, 40), elements=st.one_of(FEW, ANY)) | hnp.arrays(
    np.float32, st.integers(1, 40), elements=FEW
)

LARGEST = np.finfo(np.float32).max
SMALLEST = np.finfo(np.float32).smallest_subnormal


def large_vector(seed: int, size: int) -> Floats:
    """Values of which some are equal and many share the upper bits of their representation."""
    random = np.random.default_rng(seed)
    near_one = 1 + random.integers(0, 500, size) * np.finfo(np.float32).eps
    spread = random.normal(size=size) * 10.0 ** random.integers(-30, 30, size)
    return np.where(random.random(size) < 0.5, near_one, spread).astype(np.float32)


@given(VECTORS, st.data())
def test_kth_largest_is_what_a_sort_finds(values: Floats, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, values.size))
    assert kth_largest(torch.from_numpy(values), k).item() == np.sort(values)[values.size - k]


@pytest.mark.parametrize("seed", range(5))
def test_kth_largest_among_many(seed: int) -> None:
    values = large_vector(seed, 20_000)
    descending = np.sort(values)[::-1]
    for k in (1, 2, 77, 5_000, 10_000, 12_345, 19_999, 20_000):
        assert kth_largest(torch.from_numpy(values), k).item() == descending[k - 1]


@given(VECTORS, st.integers(-2, 45))
@example(np.array([0.0, -0.0, 0.0, -0.0], np.float32), 2)
@example(np.array([-0.0, 0.0, -SMALLEST, SMALLEST], np.float32), 3)
@example(np.array([LARGEST, -LARGEST, LARGEST], np.float32), 1)
@example(np.array([7.0], np.float32), 1)
def test_keep_largest_is_what_a_stable_sort_keeps(values: Floats, count: int) -> None:
    kept = keep_largest(torch.from_numpy(values), count)
    assert kept.dtype == torch.bool
    np.testing.assert_array_equal(kept.numpy(), first_largest(values, max(count, 0)))


@pytest.mark.parametrize("seed", range(5))
def test_keep_largest_among_many(seed: int) -> None:
    values = large_vector(seed, 20_000).reshape(100, 200)
    for count in (1, 3, 100, 9_999, 15_000, 19_999):
        kept = keep_largest(torch.from_numpy(values), count)
        np.testing.assert_array_equal(kept.numpy(), first_largest(values, count))


@pytest.mark.parametrize("value", [0.0, -0.0, 3.0, -3.0, LARGEST, SMALLEST])
def test_equal_values_are_kept_in_row_major_order(value: float) -> None:
    kept = keep_largest(torch.full((3, 4), value), 5)
    assert kept.tolist() == [[True] * 4, [True, False, False, False], [False] * 4]


def test_zeros_of_either_sign_are_equal() -> None:
    values = torch.tensor([-0.0, 0.0, -1.0, 0.0, -0.0])
    assert keep_largest(values, 2).tolist() == [True, True, False, False, False]


def test_row_major_order_is_that_of_the_shape_not_of_the_memory() -> None:
    transposed = torch.zeros(4, 3).T
    assert not transposed.is_contiguous()
    assert keep_largest(transposed, 5).reshape(-1).tolist() == [True] * 5 + [False] * 7


def test_values_are_compared_in_float32() -> None:
    # The difference is lost in float32, so that the first one is kept.
    assert keep_largest(torch.tensor([1.0, 1.0 + 1e-12], dtype=torch.float64), 1).tolist() == [
        True,
        False,
    ]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_every_precision_is_ranked(dtype: torch.dtype) -> None:
    values = torch.tensor([[0.5, -2.0], [2.0, 1.0]], dtype=dtype)
    assert keep_largest(values, 2).tolist() == [[False, False], [True, True]]
    assert kth_largest(values, 3).item() == 0.5


def test_a_selection_has_no_gradient() -> None:
    values = torch.randn(5, 5, requires_grad=True)
    assert not kth_largest(values, 3).requires_grad
    assert not keep_largest(values, 3).requires_grad


def test_values_are_left_as_they_were() -> None:
    values = torch.randn(50)
    before = values.clone()
    keep_largest(values, 7)
    share_among([values], 7)
    assert torch.equal(values, before)


@given(st.lists(VECTORS, min_size=1, max_size=5), st.integers(-2, 150))
def test_shares_are_what_a_stable_sort_of_all_keeps(rankings: Sequence[Floats], count: int) -> None:
    parts = first_largest_overall(list(rankings), max(count, 0))
    shares = share_among([torch.from_numpy(ranking) for ranking in rankings], count)
    assert shares == [int(part.sum()) for part in parts]
    # Array by array, these shares mark just what the sort of all of them marks.
    for ranking, share, part in zip(rankings, shares, parts, strict=True):
        np.testing.assert_array_equal(keep_largest(torch.from_numpy(ranking), share).numpy(), part)


def test_equal_values_go_to_the_earlier_array() -> None:
    equal = [torch.zeros(2, 3), torch.zeros(4), torch.zeros(5)]
    assert share_among(equal, 8) == [6, 2, 0]
