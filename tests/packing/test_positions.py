import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from fineprune.packing.blocks import BlockOrder, Integers


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
    assert not order.is_row_major
