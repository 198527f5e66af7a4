"""What a packed file holds of a model: its tensors, as small in memory as they can be used."""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fineprune.packing.scales import Scales

Shape = tuple[int, ...]


def matrix_shape(shape: Shape) -> tuple[int, int]:
    """Rows and columns of a tensor as packing sees it: the first dimension against the rest."""
    return (shape[0], prod(shape[1:])) if len(shape) > 1 else (1, prod(shape))


@dataclass(frozen=True, eq=False)
class DenseTensor:
    """A tensor all of whose values are stored.

    Attributes:
        shape: of the tensor.
        values: int8 codes if there are scales; else float16, float32, or whatever integers the
            model has; of shape `matrix_shape(shape)`.
        scales: of the rows, if the tensor is quantized.
    """

    shape: Shape
    values: NDArray[Any]
    scales: Scales | None = None

    @property
    def kept(self) -> int:
        """How many values are not zero."""
        return int(np.count_nonzero(self.values))

    def to_array(self) -> NDArray[Any]:
        """The tensor in its shape: floats as float32, others as they are."""
        if self.scales is not None:
            return (self.values * self.scales.per_row()[:, None]).reshape(self.shape)
        if self.values.dtype == np.float16:
            return self.values.astype(np.float32).reshape(self.shape)
        return self.values.reshape(self.shape)


@dataclass(frozen=True, eq=False)
class SparseTensor:
    """A matrix most of whose values are zero, as compressed sparse rows.

    Attributes:
        shape: of the tensor; rows and columns are those of `matrix_shape(shape)`.
        row_pointers: int32 of shape `(rows + 1,)`: where each row starts in the next two.
        columns: column of each kept weight, ascending in a row, of shape `(kept,)`; uint16 where
            columns are at most 65,536, else uint32.
        values: int8 codes if there are scales, else float16 or float32, of shape `(kept,)`; none
            is zero.
        scales: of the rows, if the matrix is quantized.
    """

    shape: Shape
    row_pointers: NDArray[np.int32]
    columns: NDArray[np.uint16] | NDArray[np.uint32]
    values: NDArray[Any]
    scales: Scales | None = None

    @classmethod
    def of(cls, shape: Shape, values: NDArray[Any], scales: Scales | None) -> "SparseTensor":
        """Drops the zeros of values of shape `matrix_shape(shape)`."""
        flat = np.flatnonzero(values)
        return cls(shape, *sparse_rows(flat, matrix_shape(shape)), values.ravel()[flat], scales)

    @property
    def kept(self) -> int:
        """How many values are not zero."""
        return len(self.values)

    def rows(self) -> NDArray[np.int32]:
        """The row of each kept weight, of shape `(kept,)`."""
        rows = np.arange(len(self.row_pointers) - 1, dtype=np.int32)
        return np.repeat(rows, np.diff(self.row_pointers))

    def to_array(self) -> NDArray[np.float32]:
        """The tensor in its shape, zeros and all."""
        array = np.zeros(matrix_shape(self.shape), np.float32)
        rows = self.rows()
        values = self.values.astype(np.float32)
        if self.scales is not None:
            values *= self.scales.per_row()[rows]
        array[rows, self.columns] = values
        return array.reshape(self.shape)


Tensor = DenseTensor | SparseTensor


def sparse_rows(
    flat: NDArray[np.integer[Any]], shape: tuple[int, int]
) -> tuple[NDArray[np.int32], NDArray[np.uint16] | NDArray[np.uint32]]:
    """Row pointers and columns of cells given by ascending row-major indices."""
    rows, columns = shape
    starts = np.arange(rows + 1, dtype=np.int64) * columns
    pointers = np.searchsorted(flat, starts).astype(np.int32)
    indices = flat % columns
    if columns <= 1 << 16:
        return pointers, indices.astype(np.uint16)
    return pointers, indices.astype(np.uint32)
