import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from fineprune.packing.errors import PositionError
from fineprune.packing.positions import (
    BlockOrder,
    Integers,
    decode_gaps,
    encode_gaps,
    is_row_major,
    longest_gap,
)


def cells(kept: np.ndarray) -> tuple[Integers, Integers]:
    """Rows and columns of what is not zero."""
    rows, columns = np.nonzero(kept)
    return rows.astype(np.int32), columns.astype(np.int32)


@st.composite
def orders(draw: st.DrawFn) -> BlockOrder:
    rows, columns = draw(st.tuples(st.integers(1, 12), st.integers(1, 12)))
    classes = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    return BlockOrder(
        draw(npst.arrays(np.uint8, rows, elements=st.integers(0, classes[0] - 1))),
        draw(npst.arrays(np.uint8, columns, elements=st.integers(0, classes[1] - 1))),
        draw(npst.arrays(np.uint8, classes, elements=st.integers(0, 3))),
    )


@given(orders())
def test_cells_outside_of_group_0_have_all_numbers_once(order: BlockOrder) -> None:
    rows, columns = cells(order.groups[np.ix_(order.row_classes, order.column_classes)])
    numbers = order.numbers(rows, columns)
    assert sorted(numbers) == list(range(order.cells))
    flat = rows * len(order.column_classes) + columns
    np.testing.assert_array_equal(order.flat_cells(np.sort(numbers)), flat[np.argsort(numbers)])


@given(orders())
def test_numbers_go_group_by_group(order: BlockOrder) -> None:
    flat = order.flat_cells(np.arange(order.cells, dtype=np.int32))
    rows, columns = np.divmod(flat, len(order.column_classes))
    groups = order.groups[order.row_classes[rows], order.column_classes[columns]]
    assert (np.diff(groups.astype(int)) >= 0).all()
    ends = np.searchsorted(groups, np.unique(groups), side="right")
    if order.cells:
        occupied = np.unique(groups)
        all_groups = np.unique(order.groups[order.groups > 0])
        np.testing.assert_array_equal(order.group_ends[np.isin(all_groups, occupied)], ends)


def test_blocks_of_like_density_form_a_group() -> None:
    kept = np.zeros((4, 8), bool)
    kept[:2, :4] = True  # density 1
    kept[2, 4] = True  # one cell of the eight: three octaves less
    rows, columns = cells(kept)
    order = BlockOrder.of(
        np.array([0, 0, 1, 1], np.uint8),
        np.array([0, 0, 0, 0, 1, 1, 1, 1], np.uint8),
        rows,
        columns,
    )
    np.testing.assert_array_equal(order.groups, [[2, 0], [0, 1]])
    assert list(order.group_ends) == [8, 16]
    assert not is_row_major(order.groups)


# Gaps.


@given(st.lists(st.integers(0, 3000)), st.integers(1, 255), st.integers(0, 10**6))
def test_gaps_become_the_positions_they_stand_for(
    gaps: list[int], longest: int, start: int
) -> None:
    symbols = encode_gaps(np.array(gaps, np.int64), longest)
    positions, stop = decode_gaps(symbols, longest, start, start + sum(gaps) + len(gaps))
    expected, position = [], start
    for gap in gaps:
        expected.append(position + gap)
        position += gap + 1
    assert list(positions) == expected
    assert stop == position


def test_a_gap_longer_than_the_alphabet_takes_several_symbols() -> None:
    assert list(encode_gaps(np.array([2, 3, 7]), 3)) == [2, 3, 0, 3, 3, 1]


@given(st.floats(1e-6, 1))
def test_about_one_symbol_in_twenty_keeps_nothing(density: float) -> None:
    longest = longest_gap(max(round(density * 10**7), 1), 10**7)
    assert 1 <= longest <= 255
    if longest < 255:  # within the half octave that densities are rounded to, and the next integer
        assert 3 / 2**0.26 <= longest * density <= 3 * 2**0.26 + density


def test_gaps_past_the_last_cell_are_refused() -> None:
    symbols = encode_gaps(np.array([4, 5]), 3)
    assert decode_gaps(symbols, 3, start=10, cells=21)[1] == 21
    with pytest.raises(PositionError, match="cell 21 of 20"):
        decode_gaps(symbols, 3, start=10, cells=20)
    with pytest.raises(PositionError):  # even where 32 bits would not hold the position
        decode_gaps(np.full(10_000_000, 254, np.uint8), 255, start=0, cells=2**31 - 1)
