"""What packing did to a model."""

from dataclasses import dataclass
from math import prod, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fineprune.packing.tensors import Shape, SparseTensor, Tensor


@dataclass(frozen=True)
class TensorReport:
    """What packing did to a tensor.

    Attributes:
        name: the tensor's first name.
        shape: its shape.
        bits: 2 to 8 if it is quantized, else bits of a value.
        sparse: whether only kept weights are stored.
        kept: values that are not zero, after packing.
        rounded_to_zero: values that were not zero before.
        bytes: of its record.
        energy: sum of the squares of its values.
        squared_error: sum of the squares of what packing changed them by.
    """

    name: str
    shape: Shape
    bits: int
    sparse: bool
    kept: int
    rounded_to_zero: int
    bytes: int
    energy: float
    squared_error: float

    @classmethod
    def of(
        cls, name: str, array: NDArray[Any], tensor: Tensor, bits: int, size: int
    ) -> "TensorReport":
        """Compares an array with the tensor that stands for it."""
        change = np.subtract(tensor.to_array(), array, dtype=np.float32)
        return cls(
            name=name,
            shape=array.shape,
            bits=bits,
            sparse=isinstance(tensor, SparseTensor),
            kept=tensor.kept,
            rounded_to_zero=int(np.count_nonzero(array)) - tensor.kept,
            bytes=size,
            energy=_energy(array),
            squared_error=_energy(change),
        )

    @property
    def elements(self) -> int:
        """Values, zeros and all."""
        return prod(self.shape)


def _energy(array: NDArray[Any]) -> float:
    return float(np.sum(np.square(array, dtype=np.float64)))


@dataclass(frozen=True)
class PackReport:
    """What packing did to a model.

    Attributes:
        tensors: in the file's order; tied weights once.
        file_bytes: of the packed file.
    """

    tensors: tuple[TensorReport, ...]
    file_bytes: int

    @property
    def source_bytes(self) -> int:
        """Of the weights before, at four bytes each."""
        return 4 * sum(tensor.elements for tensor in self.tensors)

    @property
    def rounded_to_zero(self) -> int:
        """Kept weights that became zero."""
        return sum(tensor.rounded_to_zero for tensor in self.tensors)

    @property
    def relative_error(self) -> float:
        """Root mean square of the changes over that of the weights."""
        energy = sum(tensor.energy for tensor in self.tensors)
        return (
            sqrt(sum(tensor.squared_error for tensor in self.tensors) / energy) if energy else 0.0
        )
