"""Streams of entropy-coded symbols: asymmetric numeral systems (Duda 2009)."""

from collections.abc import Sequence
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from fineprune.packing.errors import CoderMissingError, StreamError
from fineprune.packing.tables import Table


def require_coder() -> None:
    """Makes sure that the native coder is there.

    Raises:
        CoderMissingError: it was not built at installation, or does not load.
    """
    try:
        import_module("fineprune.packing._ans")
    except ImportError as error:
        raise CoderMissingError(
            "the native coder of packed files is missing "
            f"({' '.join(str(error).split())}): install a C++20 compiler (g++ or clang++) and "
            "install fineprune again with `pip install --force-reinstall --no-deps "
            "--no-binary fineprune fineprune`"
        ) from error


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
        symbols = self._decoder.decode(table.frequencies.astype(np.uint16), count)
        symbols += np.uint8(table.first)
        return symbols

    def finish(self) -> None:
        """Raises `StreamError` unless exactly what was encoded has been decoded."""
        if not self._decoder.is_empty():
            raise StreamError("a stream does not end where its symbols end: it is damaged")
