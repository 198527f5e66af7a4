"""Streams of entropy-coded symbols: asymmetric numeral systems (Duda 2009)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import constriction
import numpy as np
from numpy.typing import NDArray

from fineprune.packing.constriction_ans import categorical
from fineprune.packing.errors import StreamError
from fineprune.packing.tables import Table

if TYPE_CHECKING:
    from fineprune.packing._ans import AnsDecoder
else:
    try:
        from fineprune.packing._ans import AnsDecoder
    except ImportError:  # installed without a compiler
        from fineprune.packing.constriction_ans import AnsDecoder


def encode(tables: Sequence[Table], segments: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint32]:
    """One stream of segments, each with the table of its symbols.

    A table of one symbol takes no space: the count, which the reader knows, says it all.
    """
    coder = constriction.stream.stack.AnsCoder()
    for table, symbols in reversed(list(zip(tables, segments, strict=True))):  # it is a stack
        if len(table.frequencies) > 1:
            coder.encode_reverse(
                symbols.astype(np.int32) - table.first, categorical(table.frequencies)
            )
    words: NDArray[np.uint32] = coder.get_compressed()
    return words


class Decoder:
    """Takes the segments of a stream out again, in their order.

    Args:
        words: the stream, little-endian 32-bit words.

    Raises:
        StreamError: the words are no stream.
    """

    def __init__(self, words: memoryview) -> None:
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
        symbols = self._decoder.decode(table.frequencies.astype(np.uint16), count)
        symbols += np.uint8(table.first)
        return symbols

    def finish(self) -> None:
        """Raises `StreamError` unless exactly what was encoded has been decoded."""
        if not self._decoder.is_empty():
            raise StreamError("a stream does not end where its symbols end: it is damaged")
