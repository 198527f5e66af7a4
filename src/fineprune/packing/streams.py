"""The parts that dense and sparse records have in common."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from fineprune.packing.ans import Decoder
from fineprune.packing.cursor import Cursor
from fineprune.packing.errors import RecordError, ValueRangeError
from fineprune.packing.header import Header
from fineprune.packing.scales import LARGEST_SCALE, Scales
from fineprune.packing.tables import Table


def read_references(cursor: Cursor, number: int, tables: Sequence[Table]) -> Iterator[Table]:
    """The tables that the next `number` fields name, in the order of their segments.

    Raises:
        RecordError: there is no such table.
    """
    references = cursor.unpack(f"<{number}H")
    if max(references) >= len(tables):
        raise RecordError(f"a record names table {max(references)} of {len(tables)}")
    return iter([tables[reference] for reference in references])


def read_stream(cursor: Cursor) -> Decoder:
    """The stream that comes next: its number of 32-bit words, then the words."""
    (words,) = cursor.unpack("<I")
    return Decoder(cursor.take(4 * words))


def read_scales(
    stream: Decoder, references: Iterator[Table], header: Header, rows: int
) -> Scales | None:
    """The scales of a record, if its kind has any.

    Raises:
        ValueRangeError: a scale is too large for codes to stand for finite weights.
    """
    if not header.has_scales:
        return None
    scales = Scales(np.float32(header.step), stream.decode(next(references), rows))
    if scales.per_row().max() > LARGEST_SCALE:
        raise ValueRangeError("the scale of a row is so large that weights would be infinite")
    return scales


def scale_symbols(scales: Scales | None) -> list[NDArray[np.uint8]]:
    """The segments that `read_scales` reads."""
    return [] if scales is None else [scales.exponents]


def read_classes(
    stream: Decoder, references: Iterator[Table], size: int, number: int
) -> NDArray[np.uint8]:
    """The class of each row or column, of shape `(size,)`.

    Raises:
        ValueRangeError: a class is not below `number`.
    """
    classes = stream.decode(next(references), size)
    if classes.max() >= number:
        raise ValueRangeError(f"class {classes.max()}, where there are {number}")
    return classes
