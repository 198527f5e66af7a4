"""Records of sparse matrices: where weights are kept, as gaps, and their values.

Row classes serve both: a row that keeps many weights keeps others than one that keeps few.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fineprune.packing import streams
from fineprune.packing.classes import of_sparse
from fineprune.packing.errors import CountError, RecordError
from fineprune.packing.header import Cursor, Header, Kind, Layout
from fineprune.packing.items import (
    Unsigned,
    best_low_bits,
    join_planes,
    planes_size,
    split_planes,
    to_items,
    to_values,
)
from fineprune.packing.limits import Memory
from fineprune.packing.positions import (
    BlockOrder,
    Integers,
    decode_gaps,
    encode_gaps,
    is_row_major,
    longest_gap,
)
from fineprune.packing.streams import Decoder, Plan, Stream
from fineprune.packing.tables import Table
from fineprune.packing.tensors import SparseTensor, column_type, matrix_shape, sparse_rows

_FIELDS = "<BBBI"  # row classes, column classes, groups of blocks, kept weights
_MOST_CELLS = 64  # for each kept weight, to sort by marking them


def plan_sparse(tensor: SparseTensor, kind: Kind) -> Plan:
    """How to store a matrix whose values are of the kind's type."""
    items = to_items(tensor.values, kind, sparse=True)
    low_bits = best_low_bits(items)
    high, planes = split_planes(items, low_bits)
    rows, columns = tensor.rows(), tensor.columns.astype(np.int32)
    classes = of_sparse(matrix_shape(tensor.shape), rows, columns, high)
    order = BlockOrder.of(*classes, rows, columns)
    longest, gaps = _gaps(order, np.sort(order.numbers(rows, columns)))

    positions = [*streams.scale_symbols(tensor.scales), *classes, *gaps]
    class_of_weight = order.row_classes[rows]
    values = [high[class_of_weight == one] for one in range(len(order.groups))]
    header = Header.of(tensor, Layout.SPARSE, kind, low_bits)
    return Plan(
        header=header.to_bytes() + _fields(order, gaps, tensor.kept),
        streams=[Stream(0, positions), Stream(len(positions), values, planes)],
        longest_gaps=dict(enumerate(longest, len(positions) - len(gaps))),
    )


def _gaps(order: BlockOrder, numbers: Integers) -> tuple[list[int], list[NDArray[np.uint8]]]:
    """For each group its `K`, and its gap symbols.

    A gap belongs to the group in which it starts, whichever it ends in.

    Args:
        order: of the matrix.
        numbers: of the kept weights, ascending.
    """
    ends = order.group_ends
    kept = np.diff(np.searchsorted(numbers, ends), prepend=0)
    longest = [longest_gap(*group) for group in zip(kept, np.diff(ends, prepend=0), strict=True)]
    starts = np.append(0, numbers + 1)[:-1]
    parts = np.split(numbers - starts, np.searchsorted(starts, ends))[:-1]
    return longest, [encode_gaps(*group) for group in zip(parts, longest, strict=True)]


def _fields(order: BlockOrder, gaps: Sequence[NDArray[np.uint8]], kept: int) -> bytes:
    """What a sparse record adds to the header."""
    return (
        struct.pack(_FIELDS, *order.groups.shape, len(gaps), kept)
        + order.groups.tobytes()
        + struct.pack(f"<{len(gaps)}I", *(len(symbols) for symbols in gaps))
    )


@dataclass(frozen=True, eq=False)
class SparseRecord:
    """A sparse matrix's record, whose fields are read and whose streams are not.

    Attributes:
        header: its first fields.
        blocks: uint8 of shape `(row classes, column classes)`: the group of each block.
        gap_counts: gap symbols of each group.
        kept: kept weights.
        cursor: stands behind the fields.
    """

    header: Header
    blocks: NDArray[np.uint8]
    gap_counts: tuple[int, ...]
    kept: int
    cursor: Cursor

    @classmethod
    def read(cls, header: Header, cursor: Cursor) -> "SparseRecord":
        """The record whose header has been read.

        Raises:
            PackedFileError: its fields contradict each other or the format.
        """
        *shape, groups, kept = cursor.unpack(_FIELDS)
        if 0 in shape:
            raise RecordError("a sparse record has no row class, or no column class")
        blocks = np.frombuffer(cursor.take(shape[0] * shape[1]), np.uint8).reshape(shape)
        if blocks.max() > groups:
            raise RecordError(f"a block is of group {blocks.max()}, where there are {groups}")
        counts = cursor.unpack(f"<{groups}I")
        cells = prod(header.shape)
        if max(kept, sum(counts)) > cells:  # each gap symbol stands for one cell at least
            raise CountError(f"{kept:,} weights and {sum(counts):,} gaps in {cells:,} cells")
        return cls(header, blocks, counts, kept, cursor)

    @property
    def memory(self) -> Memory:
        """What decoding it takes at most."""
        rows, columns = matrix_shape(self.header.shape)
        value = self.header.types.value.itemsize
        marks = rows * columns if _is_marked(self.kept, rows * columns) else 0
        return Memory(
            kept=self.kept * (value + column_type(columns).itemsize) + 5 * rows,
            working=12 * sum(self.gap_counts)
            + 28 * self.kept
            + marks
            + 40 * (rows + columns)
            + 64 * self.blocks.size
            + 2 * self.cursor.left,
        )

    def decode(self, tables: Sequence[Table]) -> SparseTensor:
        """The matrix.

        Raises:
            PackedFileError: the record is damaged.
        """
        header, cursor = self.header, self.cursor
        rows, columns = shape = matrix_shape(header.shape)
        of_rows, of_columns = self.blocks.shape
        number = header.has_scales + 2 + len(self.gap_counts) + of_rows
        references = streams.read_references(cursor, number, tables)
        positions = streams.read_stream(cursor)
        scales = streams.read_scales(positions, references, header, rows)
        order = BlockOrder(
            streams.read_classes(positions, references, rows, of_rows),
            streams.read_classes(positions, references, columns, of_columns),
            self.blocks,
        )
        numbers = _read_numbers(positions, references, self.gap_counts, order)
        positions.finish()
        if len(numbers) != self.kept:
            raise CountError(f"positions of {len(numbers):,} weights, where {self.kept:,} are kept")
        pointers, indices = sparse_rows(_row_major(numbers, order), shape)
        class_of_weight = np.repeat(order.row_classes, np.diff(pointers))
        items = _read_items(cursor, references, class_of_weight, header)
        cursor.finish()
        values = to_values(items, header.kind, sparse=True)
        return SparseTensor(header.shape, pointers, indices, values, scales)


def _read_numbers(
    stream: Decoder, references: Iterator[Table], counts: Sequence[int], order: BlockOrder
) -> NDArray[np.int32]:
    """Numbers of the kept weights in the order of the blocks, ascending."""
    position, cells = 0, order.cells
    parts = [np.empty(0, np.int32)]
    for count in counts:
        table = next(references)
        if table.last == 0:
            raise RecordError("a table for gaps needs two symbols")
        numbers, position = decode_gaps(stream.decode(table, count), table.last, position, cells)
        parts.append(numbers)
    return np.concatenate(parts)


def _row_major(numbers: Integers, order: BlockOrder) -> NDArray[np.integer[Any]]:
    """Ascending row-major indices of the cells with these numbers."""
    if is_row_major(order.groups):
        return numbers
    cells = len(order.row_classes) * len(order.column_classes)
    if not _is_marked(len(numbers), cells):
        return np.sort(order.flat_cells(numbers))
    kept = np.zeros(cells, np.bool_)
    kept[order.flat_cells(numbers)] = True  # sorts in linear time
    return np.flatnonzero(kept)


def _is_marked(kept: int, cells: int) -> bool:
    """Whether a mark for each cell is worth its memory."""
    return cells <= _MOST_CELLS * kept


def _read_items(
    cursor: Cursor, references: Iterator[Table], class_of_weight: NDArray[np.uint8], header: Header
) -> Unsigned:
    """The items of the kept weights, row by row."""
    stream = streams.read_stream(cursor)
    high = np.empty(len(class_of_weight), np.uint8)
    for one, table in enumerate(references):
        members = class_of_weight == one
        high[members] = stream.decode(table, int(np.count_nonzero(members)))
    stream.finish()
    planes = cursor.take(planes_size(len(high), header.low_bits))
    return join_planes(high, planes, header.low_bits, header.types.item)
