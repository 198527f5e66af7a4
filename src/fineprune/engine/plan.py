"""Sparse or dense, for each matrix of a model, whichever is measured to be faster."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import log2
from typing import TYPE_CHECKING, Literal

from fineprune.engine.matrices import Arithmetic
from fineprune.packing import Tensor
from fineprune.packing.tensors import matrix_shape

if TYPE_CHECKING:
    from fineprune.engine._native import Matrix

Kind = Literal["sparse", "dense"]

MEASURED_TOKENS = 64
"""How many tokens a measured multiplication has: one or two tiles, as inside of the encoder."""

_REPEATS = 3  # of each measurement, of which the median counts


@dataclass(frozen=True)
class MatrixPlan:
    """How a matrix is run, and why.

    Attributes:
        name: of the tensor.
        rows: of the matrix, its outputs.
        columns: of the matrix, its inputs.
        kept: weights that are not zero.
        kind: what it runs as: the faster of the two.
        sparse_milliseconds: one multiplication with 64 tokens on one thread, measured when the
            model was loaded, on a matrix of the same shape and about the same density.
        dense_milliseconds: the same for all weights, zeros included.
    """

    name: str
    rows: int
    columns: int
    kept: int
    kind: Kind
    sparse_milliseconds: float
    dense_milliseconds: float

    @property
    def density(self) -> float:
        """Kept weights over all."""
        return self.kept / (self.rows * self.columns)

    @property
    def reason(self) -> str:
        """The decision in words."""
        return (
            f"{self.kind}: {self.density:.1%} kept, {self.sparse_milliseconds:.3f} ms sparse "
            f"against {self.dense_milliseconds:.3f} ms dense for {MEASURED_TOKENS} tokens"
        )


class Planner:
    """Chooses for matrices, and measures where it has not measured alike ones.

    Args:
        arithmetic: what matrices are made ready for.

    Attributes:
        plans: what was chosen so far.
    """

    def __init__(self, arithmetic: Arithmetic) -> None:
        self._arithmetic = arithmetic
        # By shape and, of sparse matrices, density in half octaves.
        self._seconds: dict[tuple[int, ...], float] = {}
        self.plans: list[MatrixPlan] = []

    def choose(self, name: str, tensor: Tensor) -> "Matrix":
        """The matrix in the form that is faster."""
        shape = rows, columns = matrix_shape(tensor.shape)
        density = max(tensor.kept, 1) / (rows * columns)
        sparse = cache(lambda: self._arithmetic.sparse(tensor))  # made where needed, and once
        dense = cache(lambda: self._arithmetic.dense(tensor))
        sparse_seconds = self._measure((*shape, round(2 * log2(density))), sparse)
        dense_seconds = self._measure(shape, dense)
        kind: Kind = "sparse" if sparse_seconds <= dense_seconds else "dense"
        self.plans.append(
            MatrixPlan(name, *shape, tensor.kept, kind, 1e3 * sparse_seconds, 1e3 * dense_seconds)
        )
        return sparse() if kind == "sparse" else dense()

    def _measure(self, key: tuple[int, ...], matrix: Callable[[], "Matrix"]) -> float:
        if key not in self._seconds:
            self._seconds[key] = matrix().seconds(MEASURED_TOKENS, _REPEATS)
        return self._seconds[key]
