"""A packed model in memory: its tensors, as small as they can be used."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int, ...]

OCTAVE = 8
"""Exponents of a scale that double it."""

EIGHTHS: NDArray[np.float32] = np.exp2(np.arange(OCTAVE) / OCTAVE).astype(np.float32)
"""`2**(k / 8)`."""

LARGEST_CODE = 127

LARGEST_SCALE = np.nextafter(np.finfo(np.float32).max / np.float32(LARGEST_CODE), np.float32(0))
"""With which all codes still stand for finite weights: the quotient itself is rounded up."""


def matrix_shape(shape: Shape) -> tuple[int, int]:
    """Rows and columns of a tensor as packing sees it: the first dimension against the rest."""
    return (shape[0], prod(shape[1:])) if len(shape) > 1 else (1, prod(shape))


@dataclass(frozen=True, eq=False)
class Scales:
    """One step for a matrix, and how far each row's scale exceeds it.

    Attributes:
        step: float32, positive.
        exponents: uint8 of shape `(rows,)`, in eighths of an octave.
    """

    step: np.float32
    exponents: NDArray[np.uint8]

    def per_row(self) -> NDArray[np.float32]:
        """`step * 2**(exponent / 8)` of shape `(rows,)`.

        The product with the eighth is rounded to float32; the octaves are exact.
        """
        with np.errstate(over="ignore"):  # to infinity, which readers refuse
            eighths = (self.step * EIGHTHS)[self.exponents & 7]
            scales: NDArray[np.float32] = np.ldexp(eighths, self.exponents >> 3)
            return scales


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

    @property
    def array_type(self) -> np.dtype[Any]:
        """The type of `to_array`."""
        floats = self.scales is not None or self.values.dtype.kind == "f"
        return np.dtype(np.float32) if floats else self.values.dtype

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

    @property
    def array_type(self) -> np.dtype[Any]:
        """The type of `to_array`."""
        return np.dtype(np.float32)

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
"""A tensor of a packed model, in whichever form it is kept."""


def column_type(columns: int) -> np.dtype[Any]:
    """The type of column indices."""
    return np.dtype(np.uint16 if columns <= 1 << 16 else np.uint32)


def sparse_rows(
    flat: NDArray[np.integer[Any]], shape: tuple[int, int]
) -> tuple[NDArray[np.int32], NDArray[np.uint16] | NDArray[np.uint32]]:
    """Row pointers and columns of cells given by ascending row-major indices."""
    rows, columns = shape
    starts = np.arange(rows + 1, dtype=np.int64) * columns
    pointers = np.searchsorted(flat, starts).astype(np.int32)
    indices = flat % columns
    return pointers, indices.astype(column_type(columns))


@dataclass(frozen=True, eq=False)
class PackedModel:
    """What a packed file holds, its weights still as small as in the file but ready for use.

    Attributes:
        config: the Hugging Face config, label names included.
        tensors: by name; tied weights are one object under several names.
        attachments: content of the tokenizer's and other small files, by path in a model's folder.
        provenance: where the model comes from and how it was packed.
    """

    config: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    attachments: Mapping[str, bytes]
    provenance: Mapping[str, Any]
