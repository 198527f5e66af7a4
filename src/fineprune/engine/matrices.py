"""Matrices of a packed model made ready to multiply with."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fineprune.engine.native import ArithmeticName
from fineprune.packing import DenseTensor, SparseTensor, Tensor
from fineprune.packing.tensors import Scales, matrix_shape

if TYPE_CHECKING:
    from fineprune.engine._native import Matrix


@dataclass(frozen=True)
class Arithmetic:
    """What a matrix is made ready for.

    Attributes:
        precision: of the activations.
        instruction_set: of the kernels.
    """

    precision: ArithmeticName
    instruction_set: str

    def sparse(self, tensor: Tensor) -> "Matrix":
        """The matrix as the kept weights of each row."""
        from fineprune.engine._native import Matrix

        matrix = _as_sparse(tensor)
        return Matrix.sparse(
            *matrix_shape(matrix.shape),
            row_pointers=matrix.row_pointers,
            column_indices=matrix.columns,
            values=_codes(matrix),
            scales=_scales(matrix),
            precision=self.precision,
            instruction_set=self.instruction_set,
        )

    def dense(self, tensor: Tensor) -> "Matrix":
        """The matrix as all of its weights, zeros included."""
        from fineprune.engine._native import Matrix

        matrix = as_dense(tensor)
        return Matrix.dense(
            *matrix_shape(matrix.shape),
            values=_codes(matrix),
            scales=_scales(matrix),
            precision=self.precision,
            instruction_set=self.instruction_set,
        )


def some_rows(tensor: Tensor, first: int, end: int) -> Tensor:
    """Rows of a matrix, from one to another."""
    shape = (end - first, matrix_shape(tensor.shape)[1])
    scales = tensor.scales and Scales(tensor.scales.step, tensor.scales.exponents[first:end])
    if isinstance(tensor, DenseTensor):
        return DenseTensor(shape, tensor.values[first:end], scales)
    kept = slice(int(tensor.row_pointers[first]), int(tensor.row_pointers[end]))
    pointers = tensor.row_pointers[first : end + 1] - tensor.row_pointers[first]
    return SparseTensor(shape, pointers, tensor.columns[kept], tensor.values[kept], scales)


def as_dense(tensor: Tensor) -> DenseTensor:
    """The tensor with its zeros, codes as they are."""
    if isinstance(tensor, DenseTensor):
        return tensor
    values = np.zeros(matrix_shape(tensor.shape), tensor.values.dtype)
    values[tensor.rows(), tensor.columns] = tensor.values
    return DenseTensor(tensor.shape, values, tensor.scales)


def _as_sparse(tensor: Tensor) -> SparseTensor:
    if isinstance(tensor, SparseTensor):
        return tensor
    return SparseTensor.of(tensor.shape, tensor.values, tensor.scales)


def _codes(tensor: Tensor) -> NDArray[Any]:
    """Codes as they are, floats as float32."""
    if tensor.scales is None:
        return np.ascontiguousarray(tensor.values, np.float32)
    return np.ascontiguousarray(tensor.values)


def _scales(tensor: Tensor) -> NDArray[np.float32] | None:
    return None if tensor.scales is None else tensor.scales.per_row()
