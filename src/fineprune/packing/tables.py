"""Frequency tables: what the coder knows about a segment's symbols.

Tables are integers and nothing else, so that every machine derives the same code from them.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fineprune.packing.errors import RecordError
from fineprune.packing.header import Cursor

ALPHABET = 256
"""Symbols are bytes."""

TABLE_BITS = 14
TOTAL = 1 << TABLE_BITS
"""What the frequencies of a table add up to: 16 KiB of look-up table in the native decoder."""

_CHUNK = 1 << 20  # `bincount` makes a copy of 8 bytes a symbol: keep it small
_OVERHEAD_BITS = 24  # first symbol, number of symbols, and what rounding costs
_FREQUENCY_BITS = 10  # one or two bytes


@dataclass(frozen=True, eq=False)
class Table:
    """Frequencies of an interval of symbols.

    Attributes:
        first: the lowest symbol, 0 to 255.
        frequencies: positive int64 of shape `(symbols,)` that add up to `TOTAL`.
    """

    first: int
    frequencies: NDArray[np.int64]

    @property
    def last(self) -> int:
        """The highest symbol."""
        return self.first + len(self.frequencies) - 1


def fit(histogram: NDArray[np.int64]) -> Table:
    """The table that codes symbols of a histogram of shape `(256,)` in the fewest bits."""
    used = np.flatnonzero(histogram)
    if not len(used):  # of an empty segment: any table will do
        return Table(0, np.array([TOTAL]))
    first, last = int(used[0]), int(used[-1])
    counts = histogram[first : last + 1]
    frequencies = np.maximum(counts * TOTAL // counts.sum(), 1)
    surplus = TOTAL - int(frequencies.sum())
    for _ in range(abs(surplus)):
        frequencies[_best_to_change(counts, frequencies, surplus)] += np.sign(surplus)
    return Table(first, frequencies)


def _best_to_change(
    counts: NDArray[np.int64], frequencies: NDArray[np.int64], surplus: int
) -> np.intp:
    """The frequency whose change by one, towards the total, makes the code shortest."""
    if surplus > 0:
        return np.argmax(counts / frequencies)
    return np.argmin(np.where(frequencies > 1, counts / frequencies, np.inf))


def tables_bytes(tables: Sequence[Table]) -> bytes:
    """The record of a file's tables.

    Their number, and of each the first symbol, the number of symbols less one, and all frequencies
    but the last as LEB128.
    """
    parts = [struct.pack("<H", len(tables))]
    for table in tables:
        parts.append(bytes([table.first, len(table.frequencies) - 1]))
        parts += [_leb128(int(frequency)) for frequency in table.frequencies[:-1]]
    return b"".join(parts)


def read_tables(record: memoryview) -> list[Table]:
    """The inverse of `tables_bytes`.

    Raises:
        RecordError: symbols above 255, or frequencies that are not positive or add up to more.
        TruncatedError: the record ends in a table.
    """
    cursor = Cursor(record)
    (number,) = cursor.unpack("<H")
    tables = [_read_table(cursor) for _ in range(number)]
    cursor.finish()
    return tables


def _read_table(cursor: Cursor) -> Table:
    first, further = cursor.unpack("<BB")
    if first + further >= ALPHABET:
        raise RecordError(f"a table's symbols end at {first + further}, past {ALPHABET - 1}")
    frequencies = [_read_leb128(cursor) for _ in range(further)]
    frequencies.append(TOTAL - sum(frequencies))
    if min(frequencies) < 1:
        raise RecordError(f"a table's frequencies are not positive or exceed {TOTAL}")
    return Table(first, np.array(frequencies, np.int64))


def _leb128(number: int) -> bytes:
    """Seven bits a byte, lowest first, the top bit set on all bytes but the last."""
    groups = [number & 0x7F]
    while number := number >> 7:
        groups[-1] |= 0x80
        groups.append(number & 0x7F)
    return bytes(groups)


def _read_leb128(cursor: Cursor) -> int:
    number = 0
    for shift in (0, 7):  # a frequency is less than 2**14
        group = cursor.take(1)[0]
        number |= (group & 0x7F) << shift
        if group < 0x80:
            return number
    raise RecordError("a table's frequency has more than two bytes")


# What symbols cost, and which segments share a table.


def entropy_bits(histogram: NDArray[np.int64]) -> NDArray[np.float64]:
    """Bits to code as many symbols as counted, of shape `(...,)`.

    Args:
        histogram: counts of shape `(..., symbols)`.
    """
    counts = histogram.astype(np.float64)
    bits: NDArray[np.float64] = _times_log(counts.sum(axis=-1)) - _times_log(counts).sum(axis=-1)
    return bits


def count_symbols(symbols: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Histogram of shape `(256,)` of a flat array."""
    histogram = np.zeros(ALPHABET, np.int64)
    for start in range(0, len(symbols), _CHUNK):
        histogram += np.bincount(symbols[start : start + _CHUNK], minlength=ALPHABET)
    return histogram


def _times_log(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """`n * log2(n)`, and 0 for 0."""
    return counts * np.log2(np.maximum(counts, 1))


def share_tables(
    histograms: NDArray[np.int64], families: Sequence[int]
) -> tuple[NDArray[np.int64], list[int]]:
    """Finds tables for all segments, which in all are about as small as they can be.

    Segments choose one after the other, the largest first: the table that it costs least to code
    them with, its own included.

    Args:
        histograms: counts of shape `(segments, 256)`.
        families: one number a segment; only segments of one family may share a table.

    Returns:
        Histograms for tables, of shape `(tables, 256)`, and the table of each segment.
    """
    tables = np.zeros((0, histograms.shape[1]), np.int64)
    costs = np.zeros(0)
    family_of_table = np.zeros(0, np.int64)
    assignment = [0] * len(histograms)
    for segment in np.argsort(-histograms.sum(axis=1), kind="stable"):
        histogram = histograms[segment]
        increase = _cost(tables + histogram) - costs
        increase[family_of_table != families[segment]] = np.inf
        own = _cost(histogram)
        best = int(increase.argmin()) if len(tables) else 0
        if not len(tables) or own <= increase[best]:
            best = len(tables)
            tables = np.vstack([tables, np.zeros_like(histogram)])
            costs = np.append(costs, 0.0)
            family_of_table = np.append(family_of_table, families[segment])
        tables[best] += histogram
        costs[best] = _cost(tables[best])
        assignment[segment] = best
    return tables, assignment


def _cost(histograms: NDArray[np.int64]) -> NDArray[np.float64]:
    """Bits for the symbols and the table of each histogram of shape `(..., 256)`."""
    used = histograms > 0
    width = used.shape[-1] - used[..., ::-1].argmax(axis=-1) - used.argmax(axis=-1)
    bits: NDArray[np.float64] = entropy_bits(histograms) + _OVERHEAD_BITS + _FREQUENCY_BITS * width
    return bits
