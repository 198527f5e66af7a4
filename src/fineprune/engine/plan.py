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

_Key = tuple[int, ...]
_Maker = Callable[[], "Matrix"]

MEASURED_TOKENS = 64
"""How many tokens a measured multiplication has: one or two tiles, as inside of the encoder."""

_REPEATS = 2  # of a measurement, of which the least counts
# So many times as long is clear after the first, second, third round of measurements. The last one
# decides. Time that other processes take is not counted; that they empty the caches is.
_CLEAR = (2.0, 1.4, 1.0)
_MARGIN = 1.1  # so many times as fast must dense be: it takes more memory; and plans are stable


@dataclass(frozen=True)
class MatrixPlan:
    """How a matrix is run, and why.

    Attributes:
        name: of the tensor.
        rows: of the matrix, its outputs.
        columns: of the matrix, its inputs.
        kept: weights that are not zero.
        kind: what it runs as: dense where that is at least 1.1 times as fast.
        sparse_milliseconds: one multiplication with 64 tokens on one thread, measured when the
            model was loaded, on a matrix of the same shape and about the same density; the least of
            several.
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
        close = self.kind == "sparse" and self.dense_milliseconds < self.sparse_milliseconds
        return (
            f"{self.kind}: {self.density:.1%} kept, {self.sparse_milliseconds:.3f} ms sparse "
            f"against {self.dense_milliseconds:.3f} ms dense for {MEASURED_TOKENS} tokens"
            f"{f', less than {_MARGIN} times as fast' if close else ''}"
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
        # The least seconds so far, by shape and, of sparse matrices, density in half octaves.
        self._seconds: dict[_Key, float] = {}
        self._chosen: dict[_Key, Kind] = {}  # by the key of the sparse matrix
        self.plans: list[MatrixPlan] = []

    def choose(self, name: str, tensor: Tensor) -> "Matrix":
        """The matrix in the form that is faster, sparse where there is little between them."""
        shape = rows, columns = matrix_shape(tensor.shape)
        density = max(tensor.kept, 1) / (rows * columns)
        sparse = cache(lambda: self._arithmetic.sparse(tensor))  # made where needed, and once
        dense = cache(lambda: self._arithmetic.dense(tensor))
        key = (*shape, round(2 * log2(density)))
        if key not in self._chosen:
            self._chosen[key] = self._compare(key, sparse, shape, dense)
        kind = self._chosen[key]
        milliseconds = (1e3 * self._seconds[one] for one in (key, shape))
        self.plans.append(MatrixPlan(name, *shape, tensor.kept, kind, *milliseconds))
        return sparse() if kind == "sparse" else dense()

    def _compare(self, sparse_key: _Key, sparse: _Maker, dense_key: _Key, dense: _Maker) -> Kind:
        """Measures both in turns, until the difference is clear or there is none."""
        for number, clear in enumerate(_CLEAR):
            for key, make in ((sparse_key, sparse), (dense_key, dense)):
                if number > 0 or key not in self._seconds:
                    seconds = make().seconds(MEASURED_TOKENS, _REPEATS)
                    self._seconds[key] = min(seconds, self._seconds.get(key, seconds))
            ratio = self._seconds[sparse_key] / self._seconds[dense_key]
            if not _MARGIN / clear < ratio < _MARGIN * clear:
                break
        return "dense" if ratio > _MARGIN else "sparse"
