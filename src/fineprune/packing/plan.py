"""What will become a record, before it is known which frequency tables the file shares."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fineprune.packing.ans import encode
from fineprune.packing.entropy import ALPHABET, count_symbols
from fineprune.packing.tables import Table


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
