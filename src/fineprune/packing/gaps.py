"""Positions as gaps: how many zeros stand before each kept weight.

A gap symbol `s` below a table's last symbol `K` means `s` zeros and a kept weight; `K` itself
means `K` zeros and no weight, so that a small alphabet codes gaps of any length. For zeros at
random this loses nothing: whatever came before, the next cells are as likely to be empty.
"""

import numpy as np
from numpy.typing import NDArray

from fineprune.packing.errors import PositionError


def longest_gap(kept: int, cells: int) -> int:
    """The `K` for a density, rounded to half an octave so that like groups may share a table.

    About one symbol in twenty is `K`.
    """
    half_octaves = np.rint(2 * np.log2(kept / cells))
    return int(min(np.ceil(3 * 2 ** (-half_octaves / 2)), 255))


def encode_gaps(gaps: NDArray[np.int64], longest: int) -> NDArray[np.uint8]:
    """Symbols for runs of zeros, each followed by a kept weight.

    Args:
        gaps: zeros before each kept weight.
        longest: the `K` of the table.
    """
    skips, rest = np.divmod(gaps, longest)
    symbols = np.full(len(gaps) + int(skips.sum()), longest, np.uint8)
    symbols[np.cumsum(skips + 1) - 1] = rest
    return symbols


def decode_gaps(
    symbols: NDArray[np.uint8], longest: int, start: int, cells: int
) -> tuple[NDArray[np.int32], int]:
    """The inverse of `encode_gaps`.

    Args:
        symbols: gap symbols of one table.
        longest: the table's `K`.
        start: the position that the first symbol counts from.
        cells: how many positions there are, less than `2**31`.

    Returns:
        Positions of the kept weights, and the position after the last symbol.

    Raises:
        PositionError: that is past the last cell.
    """
    kept = symbols != longest
    steps = symbols + kept
    stop = start + int(steps.sum(dtype=np.int64))
    if stop > cells:
        raise PositionError(f"gaps lead to cell {stop:,} of {cells:,}")
    ends = np.cumsum(steps, dtype=np.int32)
    ends += start - 1
    return ends[kept], stop
