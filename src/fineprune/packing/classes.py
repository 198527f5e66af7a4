"""Classes of rows and columns that differ in what they hold, where telling them apart pays.

Sixteen classes are made by magnitude; those of 8, 4, 2 and 1 are these, merged in pairs. Their
costs are entropies, so the cheapest number is found without coding anything.
"""

from itertools import product

import numpy as np
from numpy.typing import NDArray

from fineprune.packing.tables import ALPHABET, count_symbols, entropy_bits

Classes = NDArray[np.uint8]
Counts = NDArray[np.int64]

_FINEST = 16
_NUMBERS = (1, 2, 4, 8, 16)
_REFERENCE_BITS = 8 * 16  # one more table: its reference, and its share in the file's tables
_GROUP_BITS = 8 * 12  # one more group of blocks: its reference, its count, its last gap


def of_dense_rows(codes: NDArray[np.int8], symbols: NDArray[np.uint8]) -> Classes:
    """Classes of the rows of a dense matrix by the size of their codes, of shape `(rows,)`.

    Args:
        codes: of shape `(rows, columns)`.
        symbols: of the same shape: how the codes will be coded.
    """
    energy = np.einsum("ij,ij->i", codes, codes, dtype=np.int64)
    finest = _by_magnitude(energy + 1)
    histograms = np.stack([count_symbols(symbols[finest == one].ravel()) for one in range(_FINEST)])
    rows = np.bincount(finest, minlength=_FINEST)

    def cost(number: int) -> float:
        values = entropy_bits(_merge(histograms, number)).sum()
        return float(values + entropy_bits(_merge(rows, number)) + _REFERENCE_BITS * number)

    return _compact(finest, min(_NUMBERS, key=cost))


def of_sparse(
    shape: tuple[int, int],
    rows: NDArray[np.int32],
    columns: NDArray[np.int32],
    symbols: NDArray[np.uint8],
) -> tuple[Classes, Classes]:
    """Classes of a sparse matrix's rows and columns by how many weights they keep.

    Args:
        shape: `(rows, columns)`.
        rows: the row of each kept weight.
        columns: its column.
        symbols: how its value will be coded.

    Returns:
        Classes of shapes `(rows,)` and `(columns,)`. Those of the rows are for values, too.
    """
    fine_rows, fine_columns = (
        _by_magnitude(2 * np.bincount(which, minlength=size) + 1)
        for which, size in zip((rows, columns), shape, strict=True)
    )
    kept = _count_pairs(fine_rows[rows], fine_columns[columns], _FINEST)
    values = _count_pairs(fine_rows[rows], symbols, ALPHABET)
    row_counts = np.bincount(fine_rows, minlength=_FINEST)
    column_counts = np.bincount(fine_columns, minlength=_FINEST)

    def cost(numbers: tuple[int, int]) -> float:
        of_rows, of_columns = (
            _merge(counts, number)
            for counts, number in zip((row_counts, column_counts), numbers, strict=True)
        )
        blocks = _merge(_merge(kept, numbers[0]).T, numbers[1]).T
        return float(
            _mask_bits(blocks, np.outer(of_rows, of_columns))
            + entropy_bits(_merge(values, numbers[0])).sum()
            + entropy_bits(of_rows)
            + entropy_bits(of_columns)
            + 8 * blocks.size
            + _GROUP_BITS * min(blocks.size, sum(numbers))
            + _REFERENCE_BITS * numbers[0]
        )

    best = min(product(_NUMBERS, _NUMBERS), key=cost)
    return _compact(fine_rows, best[0]), _compact(fine_columns, best[1])


def _by_magnitude(amounts: Counts) -> Classes:
    """The finest classes, of equal width in the logarithm of `amounts`, which are positive."""
    logs: NDArray[np.float64] = np.log2(amounts)
    width = max(float(np.ptp(logs)), 1e-6)
    position: NDArray[np.float64] = (
        logs - logs.min()
    ) / width * _FINEST + 1e-9  # not decided by a last bit
    return np.minimum(position, _FINEST - 1).astype(np.uint8)


def _merge(counts: Counts, number: int) -> Counts:
    """Sums `_FINEST` classes on the first axis to `number` of them."""
    pairs = counts.reshape(number, _FINEST // number, *counts.shape[1:])
    merged: Counts = pairs.sum(axis=1)
    return merged


def _compact(finest: Classes, number: int) -> Classes:
    """Merges to `number` classes and drops the empty ones."""
    merged = finest // (_FINEST // number)
    return np.unique(merged, return_inverse=True)[1].astype(np.uint8)


def _count_pairs(classes: Classes, symbols: NDArray[np.uint8], alphabet: int) -> Counts:
    """How often each symbol stands with each class, of shape `(_FINEST, alphabet)`."""
    pairs = classes.astype(np.int64) * alphabet + symbols
    return np.bincount(pairs, minlength=_FINEST * alphabet).reshape(_FINEST, alphabet)


def _mask_bits(kept: Counts, cells: Counts) -> float:
    """Bits to say which cells of each block are kept."""
    return float(entropy_bits(np.stack([kept, cells - kept], axis=-1)).sum())
