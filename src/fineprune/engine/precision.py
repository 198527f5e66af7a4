"""Which arithmetic a model runs in."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING
from warnings import warn

from fineprune.engine.matrices import Arithmetic
from fineprune.engine.native import ArithmeticName, Precision, arithmetics, beside_int8
from fineprune.engine.plan import MARGIN, Planner, Timings
from fineprune.engine.rounding import Norm, int8_error
from fineprune.packing import Tensor

if TYPE_CHECKING:
    from fineprune.engine._native import Matrix


_LEAST_SECONDS = 1e-4  # of a model's matrices, typically: no user notices less


class SlowPrecisionWarning(UserWarning):
    """A precision that was asked for is slower here than an exact one."""


@dataclass(frozen=True, eq=False)
class LinearTensor:
    """The matrix of one of an encoder's linears.

    Attributes:
        name: of the tensor.
        tensor: it.
        norm: weight and bias of the LayerNorm whose outputs it multiplies; None for other inputs.
    """

    name: str
    tensor: Tensor
    norm: Norm | None


class ModelPlan:
    """How all matrices of a model run.

    Args:
        precision: that was asked for. `"fast"` is the fastest arithmetic: of the model as a whole,
            and with int8, of each matrix that it does not round by too much.
        instruction_set: of the kernels.
        linears: the matrices.

    Attributes:
        arithmetic: of the model. In an int8 model some matrices may be of the one beside it.
        planner: chooses the form of each matrix.
    """

    def __init__(
        self, precision: Precision, instruction_set: str, linears: Sequence[LinearTensor]
    ) -> None:
        self._instruction_set = instruction_set
        self._linears = linears
        self._timings = _timings(instruction_set)
        wants_int8 = precision in ("int8", "fast")
        self._errors = {
            one.name: int8_error(one.tensor, one.norm) if wants_int8 else None for one in linears
        }
        if precision == "fast":
            self.arithmetic = self._arithmetic(self._fastest(arithmetics(instruction_set)))
        else:
            self.arithmetic = self._arithmetic(precision)
            if self._is_slow(precision):
                _warn_once(precision, instruction_set)
        self.planner = self._planner(self.arithmetic.precision, choose=precision == "fast")

    def make(self, name: str, tensor: Tensor) -> "Matrix":
        """A matrix of the model, made ready to multiply with."""
        return self.planner.choose(name, tensor, self._errors.get(name))

    def _arithmetic(self, name: ArithmeticName) -> Arithmetic:
        return Arithmetic(name, self._instruction_set)

    def _planner(self, name: ArithmeticName, choose: bool = True) -> Planner:
        """A planner of models in an arithmetic.

        Args:
            name: of the arithmetic.
            choose: whether a matrix that int8 is exact enough for may still be of the other one.
        """
        if name != "int8":
            return Planner(self._arithmetic(name), timings=self._timings)
        exact = self._arithmetic(beside_int8(self._instruction_set))
        return Planner(
            exact, self._arithmetic("int8"), timings=self._timings, prefer_last=not choose
        )

    def _fastest(self, names: Sequence[ArithmeticName]) -> ArithmeticName:
        """The first, or a later one in which all matrices together are clearly faster."""
        best, least = names[0], self._seconds(names[0])
        if least < _LEAST_SECONDS:  # too little to choose by
            return best
        for name in names[1:]:
            seconds = self._seconds(name)
            if seconds * MARGIN < least:
                best, least = name, seconds
        return best

    def _is_slow(self, name: ArithmeticName) -> bool:
        """Whether float32 is clearly faster."""
        return name != "float32" and self._fastest([name, "float32"]) != name

    def _seconds(self, name: ArithmeticName) -> float:
        planner = self._planner(name)
        return sum(planner.seconds(one.tensor, self._errors[one.name]) for one in self._linears)


@cache
def _timings(instruction_set: str) -> Timings:
    """What was measured in this process: loads of a model that is near a margin choose alike."""
    return Timings()


_warned: set[tuple[str, str]] = set()


def _warn_once(precision: Precision, instruction_set: str) -> None:
    if (precision, instruction_set) in _warned:
        return
    _warned.add((precision, instruction_set))
    warn(
        f"precision={precision!r} is slower than float32 on this CPU ({instruction_set}); "
        "precision='fast' takes whichever is fastest",
        SlowPrecisionWarning,
        stacklevel=2,
    )
