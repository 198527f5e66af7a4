"""A place in a record that never runs past its end."""

import struct
from typing import Any

from fineprune.packing.errors import RecordError, TruncatedError


class Cursor:
    """Reads the bytes of a record from front to back.

    Args:
        record: all bytes of the record.
    """

    def __init__(self, record: memoryview) -> None:
        self._record = record
        self._position = 0

    def take(self, size: int) -> memoryview:
        """The next `size` bytes.

        Raises:
            TruncatedError: fewer are left.
        """
        left = len(self._record) - self._position
        if size > left:
            raise TruncatedError(f"a record needs {size:,} more bytes, but only {left:,} are left")
        self._position += size
        return self._record[self._position - size : self._position]

    def unpack(self, layout: str) -> tuple[Any, ...]:
        """The next fields, as `struct` understands the layout."""
        return struct.unpack(layout, self.take(struct.calcsize(layout)))

    def finish(self) -> None:
        """Raises `RecordError` if bytes are left over."""
        left = len(self._record) - self._position
        if left:
            raise RecordError(f"a record has {left:,} bytes more than its fields")
