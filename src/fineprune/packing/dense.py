"""Records of dense tensors.

Rows come in chunks, each a stream of its own, so that they can be decoded side by side; in a
chunk, the rows of one class share a table.
"""

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fineprune.packing import bitplanes, streams
from fineprune.packing.classes import of_dense_rows
from fineprune.packing.cursor import Cursor
from fineprune.packing.errors import RecordError
from fineprune.packing.header import Header, Kind, Layout
from fineprune.packing.items import best_low_bits, to_items, to_values
from fineprune.packing.plan import Plan, Stream
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
        high, planes = bitplanes.split(items[chunk].ravel(), low_bits)
        of_rows = high.reshape(-1, items.shape[1])
        of_classes = [of_rows[classes[chunk] == one].ravel() for one in range(number)]
        chunks.append(Stream(len(sides), of_classes, planes))
    header = Header.of(tensor, Layout.DENSE, kind, low_bits)
    return Plan(
        header=header.to_bytes() + struct.pack(_FIELDS, number, chunk_rows),
        streams=[Stream(0, sides), *chunks],
    )


def read_dense(header: Header, cursor: Cursor, tables: Sequence[Table]) -> DenseTensor:
    """The tensor of a record whose header has been read.

    Raises:
        PackedFileError: the record is damaged.
    """
    rows, columns = matrix_shape(header.shape)
    number, chunk_rows = cursor.unpack(_FIELDS)
    width = columns * header.types.items_per_value
    if number == 0 or chunk_rows * width < min(_LEAST_ITEMS, rows * width):
        raise RecordError(
            f"a dense record has no row class, or chunks of less than {_LEAST_ITEMS:,} items"
        )
    references = streams.read_references(cursor, header.has_scales + 1 + number, tables)
    sides = streams.read_stream(cursor)
    scales = streams.read_scales(sides, references, header, rows)
    classes = streams.read_classes(sides, references, rows, number)
    sides.finish()

    items = np.empty((rows, width), header.types.item)
    of_classes = list(references)
    for start in range(0, rows, chunk_rows):
        chunk = slice(start, start + chunk_rows)
        _read_chunk(items[chunk], classes[chunk], header.low_bits, cursor, of_classes)
    cursor.finish()
    values = to_values(items.ravel(), header.kind, sparse=False)
    return DenseTensor(header.shape, values.reshape(rows, columns), scales)


def _read_chunk(
    items: bitplanes.Unsigned,
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
    planes = cursor.take(bitplanes.planes_size(items.size, low_bits))
    items[:] = bitplanes.join(high.ravel(), planes, low_bits, items.dtype).reshape(items.shape)
