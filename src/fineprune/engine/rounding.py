"""What int8 arithmetic costs a matrix's outputs, as far as a model's weights tell."""

from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fineprune.packing import SparseTensor, Tensor
from fineprune.packing.tensors import matrix_shape

LARGEST_ERROR = 0.05
"""Of outputs, relative: a matrix that int8 would round by more keeps a more exact arithmetic."""

_SPREAD = 4.0  # standard deviations of a normalized activation, within which all of a token's lie
_LEVELS = 255
_LARGEST_CODE = 127

Norm = tuple[NDArray[np.float32], NDArray[np.float32]]


def int8_error(tensor: Tensor, norm: Norm | None) -> float:
    """Root mean square of what rounding adds to outputs, over that of the outputs.

    Activations are rounded to 255 steps between a token's lowest and highest. After a LayerNorm
    with weight g and bias b, activation f is about normal with mean b_f and deviation |g_f|: a
    token then spans from the least b_f - 4 |g_f| to the largest b_f + 4 |g_f|. To round by steps of
    a 255th of that adds step^2 / 12 to the variance of each input, and the sum of w_f^2 times as
    much to that of an output, which is the sum of (w_f g_f)^2. Elsewhere weights say nothing of the
    span, and only their own rounding counts, which is none where the file holds codes.

    Args:
        tensor: of shape `(rows, columns)`.
        norm: weight and bias, of shape `(columns,)`, of the LayerNorm whose outputs it multiplies.
    """
    squares, rounding = _squares(tensor)
    total = float(squares.sum())
    if total == 0.0:
        return 0.0
    of_weights = rounding / total
    if norm is None:
        return sqrt(of_weights)
    weight, bias = (part.astype(np.float64) for part in norm)
    span = (bias + _SPREAD * np.abs(weight)).max() - (bias - _SPREAD * np.abs(weight)).min()
    outputs = float(squares @ (weight * weight))
    if outputs == 0.0:
        return 0.0
    return sqrt(of_weights + (span / _LEVELS) ** 2 / 12 * total / outputs)


def _squares(tensor: Tensor) -> tuple[NDArray[np.float64], float]:
    """Sums of squares of each column, and of what rounding weights to int8 changes, in all."""
    shape = matrix_shape(tensor.shape)
    rows, columns, values = _kept(tensor)
    squares = np.bincount(columns, values * values, shape[1]).astype(np.float64)
    if tensor.scales is not None:
        return squares, 0.0
    largest = np.zeros(shape[0])
    np.maximum.at(largest, rows, np.abs(values))
    return squares, float(((largest[rows] / _LARGEST_CODE) ** 2).sum() / 12)


def _kept(tensor: Tensor) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float64]]:
    """Row, column and value of each weight."""
    rows: NDArray[Any]
    columns: NDArray[Any]
    if isinstance(tensor, SparseTensor):
        rows, columns = tensor.rows(), tensor.columns
    else:
        rows, columns = (part.ravel() for part in np.indices(matrix_shape(tensor.shape)))
    values = tensor.values.ravel().astype(np.float64)
    return (
        rows,
        columns,
        values if tensor.scales is None else values * tensor.scales.per_row()[rows],
    )
