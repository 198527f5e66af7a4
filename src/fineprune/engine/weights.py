"""The tensors of a packed model, asked for by name and with the shape that they must have."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fineprune.engine.errors import WeightsError
from fineprune.packing import Tensor
from fineprune.wording import quoted

if TYPE_CHECKING:
    from fineprune.engine._native import Matrix

Vector = NDArray[np.float32]
MatrixMaker = Callable[[str, Tensor], "Matrix"]


@dataclass(frozen=True, eq=False)
class Weights:
    """Finds tensors and checks them.

    Attributes:
        tensors: of a packed model, by name.
        prefix: what stands before the names that this is asked for.
    """

    tensors: Mapping[str, Tensor]
    prefix: str = ""

    def below(self, prefix: str) -> "Weights":
        """The tensors whose names go on after a prefix."""
        return Weights(self.tensors, self.prefix + prefix)

    def has(self, name: str) -> bool:
        """Whether there is such a tensor."""
        return self.prefix + name in self.tensors

    def shape(self, name: str) -> tuple[int, int]:
        """Rows and columns of a matrix."""
        shape = self._tensor(name).shape
        if len(shape) != 2:
            raise WeightsError(f"{quoted(self.prefix + name)} has shape {shape}; expected a matrix")
        return shape[0], shape[1]

    def matrix(self, name: str, rows: int, columns: int) -> Tensor:
        """A matrix as it is stored.

        Raises:
            WeightsError: it is missing, or of another shape.
        """
        return self.tensor(name, (rows, columns))

    def vector(self, name: str, size: int) -> Vector:
        """A vector as float32.

        Raises:
            WeightsError: it is missing, or of another shape.
        """
        return np.ascontiguousarray(self.tensor(name, (size,)).to_array(), np.float32)

    def bias(self, name: str, size: int, exists: bool = True) -> Vector:
        """Bias of a module; zeros where it has none."""
        return self.vector(f"{name}.bias", size) if exists else np.zeros(size, np.float32)

    def linear(
        self, name: str, rows: int, columns: int, make: MatrixMaker
    ) -> tuple["Matrix", Vector]:
        """Matrix and bias of a linear layer, the matrix made ready to multiply with."""
        matrix = self.matrix(f"{name}.weight", rows, columns)
        bias = self.vector(f"{name}.bias", rows)
        return make(f"{self.prefix}{name}.weight", matrix), bias

    def tensor(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """A tensor as it is stored.

        Raises:
            WeightsError: it is missing, or of another shape.
        """
        tensor = self._tensor(name)
        if tensor.shape != shape:
            raise WeightsError(
                f"{quoted(self.prefix + name)} has shape {tensor.shape}; expected {shape}"
            )
        return tensor

    def _tensor(self, name: str) -> Tensor:
        try:
            return self.tensors[self.prefix + name]
        except KeyError as error:
            raise WeightsError(
                f"the file has no tensor {quoted(self.prefix + name)}, which its architecture has"
            ) from error
