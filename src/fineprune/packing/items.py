"""Values as unsigned items: a high part, which is entropy-coded, and low bits, which are not.

The low bits of a quantized weight or of a float are as good as random: coded or not, they take
their own size. Stored as they are, in planes, they leave the coder a small alphabet, which halves
the time to decode and makes its frequency tables a few dozen bytes.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fineprune.packing.errors import ValueRangeError
from fineprune.packing.header import TYPES, Kind
from fineprune.packing.tables import ALPHABET, count_symbols, entropy_bits

Unsigned = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.uint32]

_OFFSET = 128
_TOLERANCE = 1.002  # bytes given up for a smaller alphabet, which decodes faster


def to_items(values: NDArray[Any], kind: Kind, *, sparse: bool) -> Unsigned:
    """Flat items of values.

    A code's item is `code + 128`. In a sparse matrix, where no code is zero, positive codes move
    down by one to close the gap.
    """
    flat = np.ascontiguousarray(values, TYPES[kind].value).ravel()
    if kind is not Kind.CODES:
        return flat.view(TYPES[kind].item)
    items = flat.view(np.uint8) ^ np.uint8(_OFFSET)
    return items - (flat > 0) if sparse else items


def to_values(items: Unsigned, kind: Kind, *, sparse: bool) -> NDArray[Any]:
    """The inverse of `to_items`; may change `items`.

    Raises:
        ValueRangeError: items stand for a code outside of [-127, 127], a number that is not
            finite, or in a sparse matrix a zero.
    """
    if kind is Kind.CODES:
        return _to_codes(items.astype(np.uint8, copy=False), sparse=sparse)
    values = items.view(TYPES[kind].value)
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise ValueRangeError("a weight is not a finite number")
        if sparse and not values.all():
            raise ValueRangeError("a kept weight is zero")
    return values


def _to_codes(items: NDArray[np.uint8], *, sparse: bool) -> NDArray[np.int8]:
    allowed = range(1, ALPHABET - 1 if sparse else ALPHABET)
    if items.size and not (items.min() in allowed and items.max() in allowed):
        raise ValueRangeError("a code lies outside of -127 to 127")
    if sparse:
        items += items >= _OFFSET
    items ^= np.uint8(_OFFSET)
    return items.view(np.int8)


def best_low_bits(items: Unsigned) -> int:
    """How many low bits of items to leave uncoded.

    Of floats all but the sign and (most of) the exponent; of bytes as many as cost next to nothing.
    """
    if items.itemsize > 1:
        return 8 * items.itemsize - 8
    histogram = count_symbols(items.astype(np.uint8, copy=False).ravel())
    bits = [
        float(entropy_bits(histogram.reshape(-1, 1 << low).sum(axis=1))) + items.size * low
        for low in range(8)
    ]
    return max(low for low in range(8) if bits[low] <= _TOLERANCE * min(bits))


def split_planes(items: Unsigned, low_bits: int) -> tuple[NDArray[np.uint8], bytes]:
    """Takes the low bits off.

    Args:
        items: flat array whose items have at most `low_bits + 8` bits.
        low_bits: bits to take off.

    Returns:
        The high parts, and one plane of `ceil(len(items) / 8)` bytes for each low bit, lowest bit
        first; in a byte of a plane, the first item has the lowest bit.
    """
    planes = [
        np.packbits((items >> bit & 1).astype(np.uint8), bitorder="little").tobytes()
        for bit in range(low_bits)
    ]
    return (items >> low_bits).astype(np.uint8), b"".join(planes)


def join_planes(
    high: NDArray[np.uint8], planes: memoryview, low_bits: int, dtype: np.dtype
) -> Unsigned:
    """The inverse of `split_planes`; may change `high`.

    Args:
        high: high parts, flat.
        planes: exactly `planes_size(len(high), low_bits)` bytes.
        low_bits: number of planes.
        dtype: unsigned type of the items.
    """
    items = high.astype(dtype, copy=False)
    items <<= low_bits
    size = -(-len(high) // 8)
    for bit in range(low_bits):
        plane = np.frombuffer(planes, np.uint8, count=size, offset=bit * size)
        ones = np.unpackbits(plane, count=len(high), bitorder="little")
        if dtype.itemsize > 1:
            ones = ones.astype(dtype)
        ones <<= bit
        items |= ones
    return items


def planes_size(items: int, low_bits: int) -> int:
    """Bytes that the low bits of so many items take."""
    return -(-items // 8) * low_bits
