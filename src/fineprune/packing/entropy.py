"""Empirical entropy: what any code that looks at one symbol at a time takes at least."""

import numpy as np
from numpy.typing import NDArray

ALPHABET = 256
"""Symbols are bytes."""

_CHUNK = 1 << 20  # `bincount` makes a copy of 8 bytes a symbol: keep it small


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
