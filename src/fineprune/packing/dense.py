"""Records of dense tensors.

Rows come in chunks, each a stream of its own, so that the symbols of a chunk stay in the CPU's
cache while they are decoded; in a chunk, the rows of one class share a table.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fineprune.packing import streams
from fineprune.packing.classes import of_dense_rows
from fineprune.packing.errors import RecordError
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
from fineprune.packing.streams import Plan, Stream
from fineprune.packing.tables import Table
from fineprune.packing.tensors import DenseTensor, matrix_shape

_CHUNK_ITEMS = 1 << 17  # symbols and items of a chunk stay in the second-level cache
_LEAST_ITEMS = 1 << 14  # of a chunk: reading many small ones would take forever
_FIELDS = "<BI"  # row classes, rows in a chunk


def plan_dense(tensor: DenseTensor, kind: Kind) -> Plan:
    """How to store a tensor whose values are of the kind's type."""
    rows, _ = matrix_shape(tensor.shape)
    items = to_items(tensor.values, kind, sparse=False).reshape(rows, -1)
    low_bits = best_low_bits(items)
    classes = np.zeros(rows, np.uint8)
    if tensor.scales is not None:
        symbols = np.right_shift(items, low_bits, dtype=np.uint8, casting="unsafe")
        classes = of_dense_rows(tensor.values, symbols)
    number = int(classes.max()) + 1
    chunk_rows = max(_CHUNK_ITEMS // items.shape[1], 1)
    sides = [*streams.scale_symbols(tensor.scales), classes]
    chunks = []
    for start in range(0, rows, chunk_rows):
        chunk = slice(start, start + chunk_rows)
        high, planes = split_planes(items[chunk].ravel(), low_bits)
        of_rows = high.reshape(-1, items.shape[1])
        of_classes = [of_rows[classes[chunk] == one].ravel() for one in range(number)]
        chunks.append(Stream(len(sides), of_classes, planes))
    header = Header.of(tensor, Layout.DENSE, kind, low_bits)
    return Plan(
        header=header.to_bytes() + struct.pack(_FIELDS, number, chunk_rows),
        streams=[Stream(0, sides), *chunks],
    )


@dataclass(frozen=True, eq=False)
class DenseRecord:
    """A dense tensor's record, whose fields are read and whose streams are not.

    Attributes:
        header: its first fields.
        classes: number of row classes.
        chunk_rows: rows in a chunk.
        cursor: stands behind the fields.
    """

    header: Header
    classes: int
    chunk_rows: int
    cursor: Cursor

    @classmethod
    def read(cls, header: Header, cursor: Cursor) -> "DenseRecord":
        """The record whose header has been read.

        Raises:
            PackedFileError: its fields contradict each other or the format.
        """
        rows, width = _items_shape(header)
        classes, chunk_rows = cursor.unpack(_FIELDS)
        if classes == 0 or chunk_rows * width < min(_LEAST_ITEMS, rows * width):
            raise RecordError(
                f"a dense record has no row class, or chunks of less than {_LEAST_ITEMS:,} items"
            )
        return cls(header, classes, chunk_rows, cursor)

    @property
    def memory(self) -> Memory:
        """What decoding it takes at most."""
        rows, width = _items_shape(self.header)
        item = self.header.types.item.itemsize
        chunk = min(self.chunk_rows, rows) * width
        # Of a chunk: its high parts, and symbols or a plane; of wider items also both as items.
        planes = 2 if item == 1 else 2 + 2 * item
        finite = rows * width if self.header.kind in (Kind.FLOAT16, Kind.FLOAT32) else 0
        return Memory(
            kept=rows * width * item + rows,
            working=max(planes * chunk, finite) + 24 * rows + 2 * self.cursor.left,
        )

    def decode(self, tables: Sequence[Table]) -> DenseTensor:
        """The tensor.

        Raises:
            PackedFileError: the record is damaged.
        """
        header, cursor = self.header, self.cursor
        rows, width = _items_shape(header)
        references = streams.read_references(cursor, header.has_scales + 1 + self.classes, tables)
        sides = streams.read_stream(cursor)
        scales = streams.read_scales(sides, references, header, rows)
        classes = streams.read_classes(sides, references, rows, self.classes)
        sides.finish()

        items = np.empty((rows, width), header.types.item)
        of_classes = list(references)
        for start in range(0, rows, self.chunk_rows):
            chunk = slice(start, start + self.chunk_rows)
            _read_chunk(items[chunk], classes[chunk], header.low_bits, cursor, of_classes)
        cursor.finish()
        values = to_values(items.ravel(), header.kind, sparse=False)
        return DenseTensor(header.shape, values.reshape(matrix_shape(header.shape)), scales)


def _items_shape(header: Header) -> tuple[int, int]:
    """Rows, and items of a row."""
    rows, columns = matrix_shape(header.shape)
    return rows, columns * header.types.items_per_value


def _read_chunk(
    items: Unsigned,
    classes: NDArray[np.uint8],
    low_bits: int,
    cursor: Cursor,
    tables: Sequence[Table],
) -> None:
    """Fills in the items of a chunk, of shape `(rows, items of a row)`."""
    stream = streams.read_stream(cursor)
    high = np.empty(items.shape, np.uint8)
    for one, table in enumerate(tables):
        members = np.flatnonzero(classes == one)
        symbols = stream.decode(table, len(members) * items.shape[1])
        high[members] = symbols.reshape(-1, items.shape[1])
    stream.finish()
    planes = cursor.take(planes_size(items.size, low_bits))
    items[:] = join_planes(high.ravel(), planes, low_bits, items.dtype).reshape(items.shape)
