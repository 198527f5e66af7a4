"""Numbers split in a high part, which entropy coding shrinks, and low bits, which it cannot.

The low bits of a quantized weight or of a float are as good as random: coded or not, they take
their own size. Stored as they are, they leave the coder a small alphabet, which halves the time
to decode and makes its frequency tables a few dozen bytes.
"""

import numpy as np
from numpy.typing import NDArray

Unsigned = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.uint32]


def split(items: Unsigned, low_bits: int) -> tuple[NDArray[np.uint8], bytes]:
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


def join(high: NDArray[np.uint8], planes: memoryview, low_bits: int, dtype: np.dtype) -> Unsigned:
    """The inverse of `split`; may change `high`.

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
