"""Which segments share a frequency table.

A table costs some dozens of bytes, a foreign one costs a little on every symbol. Weights of a
model are much alike from matrix to matrix once divided by their step, so a few tables serve all.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fineprune.packing.entropy import entropy_bits

_TABLE_BITS = 24  # first symbol, number of symbols, and what rounding costs
_FREQUENCY_BITS = 10  # one or two bytes


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
    bits: NDArray[np.float64] = entropy_bits(histograms) + _TABLE_BITS + _FREQUENCY_BITS * width
    return bits
