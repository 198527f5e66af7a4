"""What every record begins with: how a tensor is stored, its type, and its shape."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from math import isfinite, prod
from types import MappingProxyType
from typing import Any

import numpy as np

from fineprune.packing.errors import CountError, RecordError, TruncatedError
from fineprune.packing.tensors import Shape, Tensor

MOST_DIMENSIONS = 8
MOST_ELEMENTS = (1 << 31) - 1


class Cursor:
    """Reads the bytes of a record from front to back.

    Args:
        record: all bytes of the record.
    """

    def __init__(self, record: memoryview) -> None:
        self._record = record
        self._position = 0

    @property
    def left(self) -> int:
        """Bytes that have not been read."""
        return len(self._record) - self._position

    def take(self, size: int) -> memoryview:
        """The next `size` bytes.

        Raises:
            TruncatedError: fewer are left.
        """
        if size > self.left:
            raise TruncatedError(
                f"a record needs {size:,} more bytes, but only {self.left:,} are left"
            )
        self._position += size
        return self._record[self._position - size : self._position]

    def unpack(self, layout: str) -> tuple[Any, ...]:
        """The next fields, as `struct` understands the layout."""
        return struct.unpack(layout, self.take(struct.calcsize(layout)))

    def finish(self) -> None:
        """Raises `RecordError` if bytes are left over."""
        if self.left:
            raise RecordError(f"a record has {self.left:,} bytes more than its fields")


class Layout(IntEnum):
    """Which values of a tensor a record holds."""

    DENSE = 0
    SPARSE = 1


class Kind(IntEnum):
    """The type of a tensor's values. Only codes have scales."""

    CODES = 0
    FLOAT16 = 1
    FLOAT32 = 2
    UINT8 = 3
    INT32 = 4
    INT64 = 5


SPARSE_KINDS = frozenset({Kind.CODES, Kind.FLOAT16, Kind.FLOAT32})
"""Kinds of weights; a sparse tensor holds nothing else."""


@dataclass(frozen=True)
class KindTypes:
    """NumPy types of a kind.

    Attributes:
        value: of a value.
        item: the unsigned type that values are coded as: as wide as floats and codes are, to
            split them in high part and low bits; a byte of other integers, which are no weights.
    """

    value: np.dtype[Any]
    item: np.dtype[Any]

    @property
    def item_bits(self) -> int:
        """Width of an item."""
        return 8 * self.item.itemsize

    @property
    def items_per_value(self) -> int:
        """How many items make a value."""
        return self.value.itemsize // self.item.itemsize


TYPES: Mapping[Kind, KindTypes] = MappingProxyType(
    {
        Kind.CODES: KindTypes(np.dtype("i1"), np.dtype("u1")),
        Kind.FLOAT16: KindTypes(np.dtype("<f2"), np.dtype("<u2")),
        Kind.FLOAT32: KindTypes(np.dtype("<f4"), np.dtype("<u4")),
        Kind.UINT8: KindTypes(np.dtype("u1"), np.dtype("u1")),
        Kind.INT32: KindTypes(np.dtype("<i4"), np.dtype("u1")),
        Kind.INT64: KindTypes(np.dtype("<i8"), np.dtype("u1")),
    }
)


KINDS: Mapping[np.dtype[Any], Kind] = MappingProxyType(
    {types.value: kind for kind, types in TYPES.items() if kind is not Kind.CODES}
)
"""The kind of values of each type that can be stored, if they are not codes."""


@dataclass(frozen=True)
class Header:
    """The first fields of a record.

    Attributes:
        layout: which values are stored.
        kind: their type.
        shape: of the tensor, dimensions of at least one.
        low_bits: how many bits of each item are stored as they are.
        step: of the scales, for codes; else 0.
    """

    layout: Layout
    kind: Kind
    shape: Shape
    low_bits: int
    step: float = 0.0

    @classmethod
    def of(cls, tensor: Tensor, layout: Layout, kind: Kind, low_bits: int) -> "Header":
        """The header for a tensor, whose scales, if any, bring the step."""
        step = 0.0 if tensor.scales is None else float(tensor.scales.step)
        return cls(layout, kind, tensor.shape, low_bits, step)

    @property
    def has_scales(self) -> bool:
        """Whether the values are codes."""
        return self.kind is Kind.CODES

    @property
    def types(self) -> KindTypes:
        """NumPy types of the values and their items."""
        return TYPES[self.kind]

    def to_bytes(self) -> bytes:
        """Layout, kind, number of dimensions, dimensions, low bits, step if there is one."""
        fields = struct.pack("<BBB", self.layout, self.kind, len(self.shape))
        fields += struct.pack(f"<{len(self.shape)}IB", *self.shape, self.low_bits)
        return fields + (struct.pack("<f", self.step) if self.has_scales else b"")

    @classmethod
    def read(cls, cursor: Cursor) -> "Header":
        """The inverse of `to_bytes`.

        Raises:
            RecordError: a field has a value that the format does not know.
            CountError: the shape has more elements than any tensor may.
            TruncatedError: the record ends.
        """
        layout, kind, dimensions = cursor.unpack("<BBB")
        if layout >= len(Layout) or kind >= len(Kind) or dimensions > MOST_DIMENSIONS:
            raise RecordError(
                f"unknown layout {layout}, kind {kind} or number of dimensions {dimensions}"
            )
        *shape, low_bits = cursor.unpack(f"<{dimensions}IB")
        (step,) = cursor.unpack("<f") if kind == Kind.CODES else (0.0,)
        header = cls(Layout(layout), Kind(kind), tuple(shape), low_bits, step)
        header._check()
        return header

    def _check(self) -> None:
        if 0 in self.shape or prod(self.shape) > MOST_ELEMENTS:
            raise CountError(f"shape {self.shape} has no element, or more than {MOST_ELEMENTS:,}")
        if self.layout is Layout.SPARSE and self.kind not in SPARSE_KINDS:
            raise RecordError(f"a sparse tensor of {self.kind.name}")
        bits = self.types.item_bits
        if not bits - 8 <= self.low_bits < bits:
            raise RecordError(f"{self.low_bits} low bits of {bits}-bit items")
        if self.has_scales and not (isfinite(self.step) and self.step > 0):
            raise RecordError(f"a step of {self.step}: it must be positive and finite")
