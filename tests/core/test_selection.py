from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from torch import Tensor

from fineprune.core.selection import (
    counts_of,
    keep_largest,
    keep_largest_of_all,
    keep_with_floors,
    kth_largest,
)
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
    assert kth_largest([torch.from_numpy(values)], k).item() == np.sort(values)[values.size - k]


@pytest.mark.parametrize("seed", range(5))
def test_kth_largest_among_many(seed: int) -> None:
    values = large_vector(seed, 20_000)
    descending = np.sort(values)[::-1]
    for k in (1, 2, 77, 5_000, 10_000, 12_345, 19_999, 20_000):
        assert kth_largest([torch.from_numpy(values)], k).item() == descending[k - 1]


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
    assert kth_largest([values], 3).item() == 0.5


def test_a_selection_has_no_gradient() -> None:
    values = torch.randn(5, 5, requires_grad=True)
    assert not kth_largest([values], 3).requires_grad
    assert not keep_largest(values, 3).requires_grad


def test_values_are_left_as_they_were() -> None:
    values = torch.randn(50)
    before = values.clone()
    keep_largest(values, 7)
    kth_largest([values], 7)
    keep_with_floors([values, values], 30, [20, 3])
    assert torch.equal(values, before)


LISTS = st.lists(VECTORS, min_size=1, max_size=5)


def tensors(arrays: Sequence[Floats]) -> list[Tensor]:
    return [torch.from_numpy(array) for array in arrays]


@given(LISTS, st.data())
def test_kth_largest_of_several_is_what_a_sort_of_all_finds(
    arrays: Sequence[Floats], data: st.DataObject
) -> None:
    together = np.sort(np.concatenate(arrays))
    k = data.draw(st.integers(1, together.size))
    assert kth_largest(tensors(arrays), k).item() == together[together.size - k]


@given(LISTS, st.integers(-2, 150))
def test_the_largest_of_all_are_what_a_stable_sort_keeps(
    arrays: Sequence[Floats], count: int
) -> None:
    expected_masks = first_largest_overall(list(arrays), max(count, 0))
    found = keep_largest_of_all(tensors(arrays), count)
    for one, expected in zip(found, expected_masks, strict=True):
        assert one.dtype == torch.bool
        np.testing.assert_array_equal(one.numpy(), expected)


def test_equal_values_go_to_the_earlier_array() -> None:
    equal = [torch.zeros(2, 3), torch.zeros(4), torch.zeros(5)]
    kept = keep_largest_of_all(equal, 8)
    assert counts_of(kept) == [6, 2, 0]
    assert kept[1].tolist() == [True, True, False, False]


def test_row_major_order_of_several_is_that_of_their_shapes() -> None:
    transposed = torch.zeros(4, 3).T
    kept = keep_largest_of_all([torch.zeros(2), transposed], 7)
    assert kept[1].reshape(-1).tolist() == [True] * 5 + [False] * 7


# More values than a sample holds: the answer is bracketed by the sample first.

MANY = 2 * (1 << 16) + 5


def normal(random: np.random.Generator, size: int) -> Floats:
    return random.normal(size=size).astype(np.float32)


def with_ties(random: np.random.Generator, size: int) -> Floats:
    return random.integers(-3, 3, size).astype(np.float32)


def mostly_zero(random: np.random.Generator, size: int) -> Floats:
    """Zeros of either sign, as pruned weights are, and a few others."""
    zeros = np.where(random.random(size) < 0.5, np.float32(-0.0), np.float32(0.0))
    return np.where(random.random(size) < 0.03, normal(random, size), zeros).astype(np.float32)


def equal(random: np.random.Generator, size: int) -> Floats:
    return np.full(size, 0.25, np.float32)


def sorted_upwards(random: np.random.Generator, size: int) -> Floats:
    return np.sort(normal(random, size))


def periodic(random: np.random.Generator, size: int) -> Floats:
    """Values that a sample of every so many-th cannot tell from a constant."""
    return (np.arange(size) % 3).astype(np.float32)


def one_outlier(random: np.random.Generator, size: int) -> Floats:
    values = np.zeros(size, np.float32)
    values[random.integers(size)] = 1.0
    return values


Drawing = Callable[[np.random.Generator, int], Floats]
DRAWINGS: list[Drawing] = [
    normal,
    with_ties,
    mostly_zero,
    equal,
    sorted_upwards,
    periodic,
    one_outlier,
]


@pytest.mark.parametrize("draw", DRAWINGS)
def test_among_very_many_the_kth_largest_is_what_a_sort_finds(draw: Drawing) -> None:
    random = np.random.default_rng(0)
    arrays = [draw(random, size).reshape(-1, 5) for size in (MANY - MANY % 5, 10, 70_000)]
    descending = np.sort(np.concatenate([array.reshape(-1) for array in arrays]))[::-1]
    total = descending.size
    for k in (1, 2, total // 33, total // 2, total - 1, total):
        assert kth_largest(tensors(arrays), k).item() == descending[k - 1], k


@pytest.mark.parametrize("draw", DRAWINGS)
def test_among_very_many_those_are_kept_that_a_stable_sort_keeps(draw: Drawing) -> None:
    random = np.random.default_rng(1)
    arrays = [draw(random, size) for size in (90_000, MANY - 90_000)]
    for count in (1, MANY // 33, MANY - 1):
        found = keep_largest_of_all(tensors(arrays), count)
        expected = first_largest_overall(list(arrays), count)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one.numpy(), other)


@pytest.mark.parametrize("size", [MANY - 6, MANY - 5, MANY - 4])
def test_nothing_changes_where_sampling_begins(size: int) -> None:
    values = normal(np.random.default_rng(2), size)
    assert kth_largest(tensors([values]), 1000).item() == np.sort(values)[size - 1000]


@pytest.mark.parametrize("sampled", [-9.0, 9.0])
def test_a_sample_that_misleads_is_found_out(sampled: float) -> None:
    # A sample of every third value sees none of the others.
    values = normal(np.random.default_rng(3), MANY)
    values[::3] += np.float32(sampled)
    descending = np.sort(values)[::-1]
    ks = [1, 1000, MANY // 3, MANY // 2, 2 * MANY // 3, *range(MANY - 600, MANY + 1, 7)]
    for k in ks:
        assert kth_largest(tensors([values]), k).item() == descending[k - 1], k


# Floors.


def kept_with_floors(arrays: Sequence[Floats], count: int, floors: Sequence[int]) -> list[set[int]]:
    """The places that are kept: first each array's floor, then whatever is largest of the rest."""
    order = [np.argsort(-array, kind="stable").tolist() for array in arrays]
    kept = [set(places[:floor]) for places, floor in zip(order, floors, strict=True)]
    rest = [
        (-array[place], i, place)
        for i, (array, places) in enumerate(zip(arrays, order, strict=True))
        for place in places
        if place not in kept[i]
    ]
    for _, i, place in sorted(rest)[: count - sum(floors)]:
        kept[i].add(place)
    return kept


@given(LISTS, st.data())
def test_floors_come_first_and_the_largest_of_the_rest_then(
    arrays: Sequence[Floats], data: st.DataObject
) -> None:
    floors = [data.draw(st.integers(0, array.size)) for array in arrays]
    count = data.draw(st.integers(sum(floors), sum(array.size for array in arrays)))
    masks, held = keep_with_floors(tensors(arrays), count, floors)
    counts = counts_of(masks)
    assert sum(counts) == count
    assert all(kept >= floor for kept, floor in zip(counts, floors, strict=True))
    assert all(counts[i] == floors[i] for i in held)
    free = counts_of(keep_largest_of_all(tensors(arrays), count))
    short = {i for i, (one, floor) in enumerate(zip(free, floors, strict=True)) if one < floor}
    assert short <= held
    assert bool(short) == bool(held)
    found = [set(np.flatnonzero(mask.numpy())) for mask in masks]
    assert found == kept_with_floors(arrays, count, floors)


def test_a_floor_that_is_lifted_can_bring_another_array_to_its_own() -> None:
    high, middle, low = torch.tensor([9.0, 8.0]), torch.tensor([5.0, 4.0]), torch.tensor([1.0, 0.0])
    # Of 3, the highest would be 2, 1 and 0; the last one's floor leaves 2 for the first two.
    masks, held = keep_with_floors([high, middle, low], 3, [0, 1, 1])
    assert counts_of(masks) == [1, 1, 1]
    assert held == {1, 2}


@given(st.lists(st.lists(st.booleans(), min_size=0, max_size=9), min_size=1, max_size=6))
def test_counts_are_those_of_true_entries(masks: list[list[bool]]) -> None:
    assert counts_of([torch.tensor(mask, dtype=torch.bool) for mask in masks]) == [
        sum(mask) for mask in masks
    ]
