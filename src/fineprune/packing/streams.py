"""Streams of entropy-coded symbols, and the parts of a record that are made of them.

The code is asymmetric numeral systems (Duda 2009), in `native/`.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from fineprune.packing.errors import (
    CoderMissingError,
    RecordError,
    StreamError,
    ValueRangeError,
)
from fineprune.packing.header import Cursor, Header
from fineprune.packing.tables import ALPHABET, Table, count_symbols
from fineprune.packing.tensors import LARGEST_SCALE, Scales
from fineprune.wording import not_built


def require_coder() -> None:
    """Makes sure that the native coder is there.

    Raises:
        CoderMissingError: it was not built at installation, or does not load.
    """
    try:
        import_module("fineprune.packing._ans")
    except ImportError as error:
        raise CoderMissingError(not_built("the native coder of packed files", error)) from error


def encode(tables: Sequence[Table], segments: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint32]:
    """One stream of segments, each with the table of its symbols.

    A table of one symbol takes no space: the count, which the reader knows, says it all.
    """
    from fineprune.packing._ans import AnsEncoder

    encoder = AnsEncoder()
    for table, symbols in reversed(list(zip(tables, segments, strict=True))):  # it is a stack
        encoder.encode(table.frequencies.astype(np.uint16), symbols - np.uint8(table.first))
    return encoder.words()


class Decoder:
    """Takes the segments of a stream out again, in their order.

    Args:
        words: the stream, little-endian 32-bit words.

    Raises:
        StreamError: the words are no stream.
    """

    def __init__(self, words: memoryview) -> None:
        from fineprune.packing._ans import AnsDecoder

        try:
            self._decoder = AnsDecoder(np.frombuffer(words, "<u4").astype(np.uint32))
        except ValueError as error:  # the last word is zero
            raise StreamError("a stream's last word is zero") from error

    def decode(self, table: Table, count: int) -> NDArray[np.uint8]:
        """The next symbols. Any words decode to something; `finish` tells whether it was meant.

        Args:
            table: the table of the segment.
            count: its symbols; the caller has checked that a shape accounts for as many.
        """
        if len(table.frequencies) == 1 or count == 0:
            return np.full(count, table.first, np.uint8)
        symbols = np.empty(count, np.uint8)
        self._decoder.decode(table.frequencies.astype(np.uint16), symbols)
        symbols += np.uint8(table.first)
        return symbols

    def finish(self) -> None:
        """Raises `StreamError` unless exactly what was encoded has been decoded."""
        if not self._decoder.is_empty():
            raise StreamError("a stream does not end where its symbols end: it is damaged")


# Writing: what becomes of a record, before it is known which tables the file shares.


@dataclass(frozen=True, eq=False)
class Stream:
    """Segments of symbols coded in one go, each with a table of its own.

    Attributes:
        first: the first segment's table reference; those of the others follow.
        segments: flat arrays of symbols.
        planes: low bits of the numbers that the symbols are the high parts of.
    """

    first: int
    segments: Sequence[NDArray[np.uint8]]
    planes: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, eq=False)
class Plan:
    """A record but for its table references.

    Attributes:
        header: the fields before the references.
        streams: the streams after them.
        longest_gaps: the `K` of each reference to a table for gaps.
    """

    header: bytes
    streams: Sequence[Stream]
    longest_gaps: Mapping[int, int] = field(default_factory=dict)

    @property
    def references(self) -> int:
        """How many table references the record has."""
        return max(stream.first + len(stream.segments) for stream in self.streams)

    def histograms(self) -> NDArray[np.int64]:
        """How often each reference's table codes each symbol, of shape `(references, 256)`."""
        histograms = np.zeros((self.references, ALPHABET), np.int64)
        for reference, longest in self.longest_gaps.items():
            histograms[reference, longest] = 1  # a table for gaps ends at `K`, used or not
        for stream in self.streams:
            for reference, symbols in enumerate(stream.segments, stream.first):
                histograms[reference] += count_symbols(symbols)
        return histograms

    def record(self, references: Sequence[int], tables: Sequence[Table]) -> bytes:
        """The record.

        Args:
            references: index of the table for each reference.
            tables: all tables of the file.
        """
        parts = [self.header, struct.pack(f"<{len(references)}H", *references)]
        for stream in self.streams:
            own = references[stream.first : stream.first + len(stream.segments)]
            words = encode([tables[index] for index in own], stream.segments)
            parts += [struct.pack("<I", len(words)), words.astype("<u4").tobytes(), stream.planes]
        return b"".join(parts)


# Reading: the parts that dense and sparse records have in common.


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
