"""Where a sparse matrix keeps weights: the order of its cells, and gaps in that order.

Real masks are uneven: some rows and columns keep many weights, most keep few. Rows and columns
are sorted into classes by their density; the cells of one row class and one column class are a
block, and blocks of like density form a group that shares a frequency table. Cells are numbered
group by group, in a group block by block, and in a block row by row.

A gap symbol `s` below a table's last symbol `K` means `s` zeros and a kept weight; `K` itself
means `K` zeros and no weight, so that a small alphabet codes gaps of any length. For zeros at
random this loses nothing: whatever came before, the next cells are as likely to be empty.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fineprune.packing.errors import PositionError

Integers = NDArray[np.int32]


def is_row_major(groups: NDArray[np.uint8]) -> bool:
    """Whether all cells are one block, whose numbers are the row-major indices.

    Args:
        groups: as of `BlockOrder`.
    """
    return groups.size == 1 and bool(groups[0, 0])


@dataclass(frozen=True, eq=False)
class BlockOrder:
    """Maps cells of a matrix to their numbers and back.

    Attributes:
        row_classes: uint8 of shape `(rows,)`.
        column_classes: uint8 of shape `(columns,)`.
        groups: uint8 of shape `(row classes, column classes)`: the group of each block, from 1;
            blocks of group 0 keep no weight, and their cells have no number.
    """

    row_classes: NDArray[np.uint8]
    column_classes: NDArray[np.uint8]
    groups: NDArray[np.uint8]

    @classmethod
    def of(
        cls,
        row_classes: NDArray[np.uint8],
        column_classes: NDArray[np.uint8],
        rows: Integers,
        columns: Integers,
    ) -> "BlockOrder":
        """An order with a group for each half octave of density.

        Args:
            row_classes: of shape `(rows,)`.
            column_classes: of shape `(columns,)`.
            rows: the row of each kept weight.
            columns: its column.
        """
        shape = int(row_classes.max()) + 1, int(column_classes.max()) + 1
        blocks = row_classes[rows].astype(np.int32) * shape[1] + column_classes[columns]
        kept = np.bincount(blocks, minlength=shape[0] * shape[1])
        cells = np.outer(np.bincount(row_classes), np.bincount(column_classes)).ravel()
        steps = np.rint(2 * np.log2(np.maximum(kept, 1) / cells)).astype(np.int64)
        groups = np.where(kept, np.searchsorted(np.unique(steps[kept > 0]), steps) + 1, 0)
        return cls(row_classes, column_classes, groups.reshape(shape).astype(np.uint8))

    @cached_property
    def _rows(self) -> "_Members":
        return _Members.of(self.row_classes, self.groups.shape[0])

    @cached_property
    def _columns(self) -> "_Members":
        return _Members.of(self.column_classes, self.groups.shape[1])

    @cached_property
    def _sequence(self) -> Integers:
        """Flat indices of the blocks that keep weights, in coding order."""
        groups = self.groups.ravel()
        order = np.argsort(groups, kind="stable").astype(np.int32)
        return order[np.count_nonzero(groups == 0) :]

    @cached_property
    def _sizes(self) -> Integers:
        """Cells of each block, in coding order."""
        return np.outer(self._rows.counts, self._columns.counts).ravel()[self._sequence]

    @cached_property
    def _ends(self) -> Integers:
        """The number after the last cell of each block, in coding order."""
        return np.cumsum(self._sizes, dtype=np.int32)

    @property
    def cells(self) -> int:
        """How many cells have a number."""
        return int(self._sizes.sum())

    @property
    def group_ends(self) -> Integers:
        """The number after the last cell of each group, of shape `(groups,)`."""
        groups = self.groups.ravel()[self._sequence]
        last = np.searchsorted(groups, np.unique(groups), side="right") - 1
        return self._ends[last]

    def numbers(self, rows: Integers, columns: Integers) -> Integers:
        """Numbers of cells, none of which lies in a block of group 0."""
        starts = np.zeros(self.groups.size, np.int32)
        starts[self._sequence] = self._ends - self._sizes
        column_class = self.column_classes[columns].astype(np.int32)
        block = self.row_classes[rows].astype(np.int32) * self.groups.shape[1] + column_class
        width = self._columns.counts[column_class]
        numbers: Integers = starts[block] + self._rows.ranks[rows] * width
        return numbers + self._columns.ranks[columns]

    def flat_cells(self, numbers: Integers) -> Integers:
        """Row-major indices of the cells with these numbers, in the order of the numbers.

        Args:
            numbers: ascending, below `cells`.
        """
        per_block = np.diff(np.searchsorted(numbers, self._ends), prepend=0)
        row_class, column_class = np.divmod(self._sequence, self.groups.shape[1])
        row, column = np.divmod(
            numbers - np.repeat(self._ends - self._sizes, per_block),
            np.repeat(self._columns.counts[column_class], per_block),
        )
        row += np.repeat(self._rows.starts[row_class], per_block)
        column += np.repeat(self._columns.starts[column_class], per_block)
        return self._rows.members[row] * len(self.column_classes) + self._columns.members[column]


@dataclass(frozen=True, eq=False)
class _Members:
    """Rows, or columns, sorted by class.

    Attributes:
        members: all rows, class by class, ascending in each.
        counts: rows of each class.
        starts: where each class starts in `members`.
        ranks: the place of each row in its class.
    """

    members: Integers
    counts: Integers
    starts: Integers
    ranks: Integers

    @classmethod
    def of(cls, classes: NDArray[np.uint8], number: int) -> "_Members":
        members = np.argsort(classes, kind="stable").astype(np.int32)
        counts = np.bincount(classes, minlength=number).astype(np.int32)
        starts = np.cumsum(counts, dtype=np.int32) - counts
        ranks = np.empty_like(members)
        ranks[members] = np.arange(len(members), dtype=np.int32) - starts[classes[members]]
        return cls(members, counts, starts, ranks)


def longest_gap(kept: int, cells: int) -> int:
    """The `K` for a density, rounded to half an octave so that like groups may share a table.

    About one symbol in twenty is `K`.
    """
    half_octaves = np.rint(2 * np.log2(kept / cells))
    return int(min(np.ceil(3 * 2 ** (-half_octaves / 2)), 255))


def encode_gaps(gaps: NDArray[np.int64], longest: int) -> NDArray[np.uint8]:
    """Symbols for runs of zeros, each followed by a kept weight.

    Args:
        gaps: zeros before each kept weight.
        longest: the `K` of the table.
    """
    skips, rest = np.divmod(gaps, longest)
    symbols = np.full(len(gaps) + int(skips.sum()), longest, np.uint8)
    symbols[np.cumsum(skips + 1) - 1] = rest
    return symbols


def decode_gaps(
    symbols: NDArray[np.uint8], longest: int, start: int, cells: int
) -> tuple[NDArray[np.int32], int]:
    """The inverse of `encode_gaps`.

    Args:
        symbols: gap symbols of one table.
        longest: the table's `K`.
        start: the position that the first symbol counts from.
        cells: how many positions there are, less than `2**31`.

    Returns:
        Positions of the kept weights, and the position after the last symbol.

    Raises:
        PositionError: that is past the last cell.
    """
    kept = symbols != longest
    steps = symbols + kept
    stop = start + int(steps.sum(dtype=np.int64))
    if stop > cells:
        raise PositionError(f"gaps lead to cell {stop:,} of {cells:,}")
    ends = np.cumsum(steps, dtype=np.int32)
    ends += start - 1
    return ends[kept], stop
