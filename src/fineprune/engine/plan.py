"""How each matrix of a model runs: sparse or dense, and in which arithmetic."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from math import isnan, log2, nan, sqrt
from typing import TYPE_CHECKING, Literal

from fineprune.engine.matrices import Arithmetic
from fineprune.engine.native import ArithmeticName
from fineprune.engine.rounding import LARGEST_ERROR
from fineprune.packing import Tensor
from fineprune.packing.tensors import matrix_shape

if TYPE_CHECKING:
    from fineprune.engine._native import Matrix

Kind = Literal["sparse", "dense"]

MEASURED_TOKENS = 64
SHORT_TOKENS = 16
"""How many tokens measured multiplications have: as many as fill a tile of the encoder, and as many
as most requests. Which form is fastest may depend on it; both count alike."""

MARGIN = 1.1
"""So many times as fast must a form of a matrix be to be preferred to one that takes less memory or
is more exact. It also makes plans stable: noise is less."""

_REPEATS = 2  # of a measurement, of which the least counts
_REPEATS_OF_SHORT = 10
_SHORT = 1e-4  # seconds
# So many times as long is clear after the first, second, third round of measurements. The last one
# decides. Time that other processes take is not counted; that they empty the caches is.
_CLEAR = (2.0, 1.4, 1.0)


@dataclass(frozen=True)
class Form:
    """One way to run a matrix."""

    precision: ArithmeticName
    kind: Kind

    def __str__(self) -> str:
        return f"{self.precision} {self.kind}"


@dataclass(frozen=True)
class Seconds:
    """What one multiplication takes, of `SHORT_TOKENS` and of `MEASURED_TOKENS`."""

    short: float
    long: float

    @property
    def typical(self) -> float:
        """Their geometric mean: twice as fast for one of them weighs as much as for the other."""
        return sqrt(self.short * self.long)

    def least(self, other: "Seconds") -> "Seconds":
        """The lesser of each."""
        return Seconds(min(self.short, other.short), min(self.long, other.long))


@dataclass(frozen=True)
class MatrixPlan:
    """How a matrix is run, and why.

    Attributes:
        name: of the tensor.
        rows: of the matrix, its outputs.
        columns: of the matrix, its inputs.
        kept: weights that are not zero.
        kind: what it runs as.
        precision: of its arithmetic.
        milliseconds: of each form that was considered: one multiplication with 64 tokens on one
            thread, measured when a matrix of this shape and, if sparse, about this density was
            first loaded in the process; the least of several. A form that takes more memory or is
            less exact has to be 1.1 times as fast, in the geometric mean over 16 and 64 tokens.
        short_milliseconds: the same with 16 tokens.
        int8_error: what rounding to int8 would cost the matrix's outputs, relative to them, as far
            as weights tell; None where nobody asked.
    """

    name: str
    rows: int
    columns: int
    kept: int
    kind: Kind
    precision: ArithmeticName = "float32"
    milliseconds: Mapping[Form, float] = field(default_factory=dict)
    short_milliseconds: Mapping[Form, float] = field(default_factory=dict)
    int8_error: float | None = None

    @property
    def density(self) -> float:
        """Kept weights over all."""
        return self.kept / (self.rows * self.columns)

    @property
    def sparse_milliseconds(self) -> float:
        """Of the precision that was chosen; not a number where it was not measured."""
        return self.milliseconds.get(Form(self.precision, "sparse"), nan)

    @property
    def dense_milliseconds(self) -> float:
        """The same for all weights, zeros included."""
        return self.milliseconds.get(Form(self.precision, "dense"), nan)

    @property
    def reason(self) -> str:
        """The decision in words."""
        return (
            f"{self.kind}{'' if self.precision == 'float32' else f' in {self.precision}'}: "
            f"{self.density:.1%} kept, "
            f"{self._times(self.milliseconds)} for {MEASURED_TOKENS} tokens, "
            f"{self._times(self.short_milliseconds)} for {SHORT_TOKENS}"
            f"{f', less than {MARGIN} times as fast' if self._is_close() else ''}{self._rounding()}"
        )

    def _is_close(self) -> bool:
        """Whether another form is faster, by too little."""
        typical = {
            form: sqrt(milliseconds * self.short_milliseconds[form])
            for form, milliseconds in self.milliseconds.items()
        }
        chosen = typical.get(Form(self.precision, self.kind), nan)
        return any(chosen / MARGIN < other < chosen for other in typical.values())

    def _times(self, milliseconds: Mapping[Form, float]) -> str:
        sparse, dense = (
            milliseconds.get(Form(self.precision, kind), nan) for kind in ("sparse", "dense")
        )
        others = [
            f"{one:.3f} ms {form.kind} in {form.precision}"
            for form, one in milliseconds.items()
            if form.precision != self.precision
        ]
        return ", ".join([f"{sparse:.3f} ms sparse against {dense:.3f} ms dense", *others])

    def _rounding(self) -> str:
        if self.int8_error is None:
            return ""
        if isnan(self.int8_error) or self.int8_error > LARGEST_ERROR:
            return f"; int8 would round by {self.int8_error:.1%}, more than {LARGEST_ERROR:.0%}"
        return f"; int8 rounds by {self.int8_error:.1%}" if self.precision == "int8" else ""


class Timings:
    """What multiplications take, measured when somebody asks and kept for alike matrices."""

    def __init__(self) -> None:
        # The least seconds so far, by form, shape and, of sparse matrices, density in half octaves.
        self._seconds: dict[tuple[object, ...], Seconds] = {}
        self._chosen: dict[tuple[object, ...], Form] = {}

    def best(self, tensor: Tensor, forms: Mapping[Form, Callable[[], "Matrix"]]) -> Form:
        """The first form, or a later one that is clearly faster than all before it."""
        key = (*forms, *_size(tensor))
        if key not in self._chosen:
            best, *others = forms
            for form in others:
                best = self._faster(tensor, best, form, forms)
            self._chosen[key] = best
        return self._chosen[key]

    def seconds(self, tensor: Tensor, forms: Iterable[Form]) -> dict[Form, Seconds]:
        """What is known of forms of a matrix."""
        known = {form: self._seconds.get(_key(tensor, form)) for form in forms}
        return {form: seconds for form, seconds in known.items() if seconds is not None}

    def _faster(
        self,
        tensor: Tensor,
        first: Form,
        second: Form,
        make: Mapping[Form, Callable[[], "Matrix"]],
    ) -> Form:
        """Measures both in turns, until the difference is clear or there is none."""
        for number, clear in enumerate(_CLEAR):
            for form in (first, second):
                key = _key(tensor, form)
                if number > 0 or key not in self._seconds:
                    seconds = _measure(make[form]())
                    self._seconds[key] = seconds.least(self._seconds.get(key, seconds))
            ratio = (
                self._seconds[_key(tensor, first)].typical
                / self._seconds[_key(tensor, second)].typical
            )
            if not MARGIN / clear < ratio < MARGIN * clear:
                break
        return second if ratio > MARGIN else first


class Planner:
    """Chooses how matrices run.

    Args:
        arithmetics: among which each matrix may choose, the most exact first.
        timings: what is known already.
        prefer_last: whether the last arithmetic that is exact enough is taken without a choice.

    Attributes:
        plans: what was chosen so far.
    """

    def __init__(
        self,
        *arithmetics: Arithmetic,
        timings: Timings | None = None,
        prefer_last: bool = False,
    ) -> None:
        self._arithmetics = arithmetics
        self._prefer_last = prefer_last
        self._timings = Timings() if timings is None else timings
        self.plans: list[MatrixPlan] = []

    def choose(self, name: str, tensor: Tensor, int8_error: float | None = None) -> "Matrix":
        """The matrix in the form that is fastest, sparse where there is little between them.

        Args:
            name: of the tensor.
            tensor: it.
            int8_error: what rounding to int8 would cost; where that is too much, or no number,
                int8 is not chosen beside another arithmetic.
        """
        makers = self._makers(tensor, int8_error)
        form = self._timings.best(tensor, makers)
        seconds = self._timings.seconds(tensor, makers)
        rows, columns = matrix_shape(tensor.shape)
        self.plans.append(
            MatrixPlan(
                name,
                rows,
                columns,
                tensor.kept,
                form.kind,
                form.precision,
                {one: 1e3 * each.long for one, each in seconds.items()},
                {one: 1e3 * each.short for one, each in seconds.items()},
                int8_error,
            )
        )
        return makers[form]()

    def seconds(self, tensor: Tensor, int8_error: float | None = None) -> float:
        """What one multiplication typically takes, in the form that would be chosen."""
        makers = self._makers(tensor, int8_error)
        form = self._timings.best(tensor, makers)
        return self._timings.seconds(tensor, [form])[form].typical

    def _makers(
        self, tensor: Tensor, int8_error: float | None
    ) -> dict[Form, Callable[[], "Matrix"]]:
        """Each form, made where it is needed, and once."""
        makers: dict[Form, Callable[[], Matrix]] = {}
        allowed = _exact_enough(self._arithmetics, int8_error)
        for arithmetic in allowed[-1:] if self._prefer_last else allowed:
            for form, make in (
                (Form(arithmetic.precision, "sparse"), arithmetic.sparse),
                (Form(arithmetic.precision, "dense"), arithmetic.dense),
            ):
                makers[form] = cache(partial(make, tensor))
        return makers


def _measure(matrix: "Matrix") -> Seconds:
    return Seconds(_measured(matrix, SHORT_TOKENS), _measured(matrix, MEASURED_TOKENS))


def _measured(matrix: "Matrix", tokens: int) -> float:
    seconds = matrix.seconds(tokens, _REPEATS)
    if seconds < _SHORT:
        seconds = min(seconds, matrix.seconds(tokens, _REPEATS_OF_SHORT))
    return seconds


def _exact_enough(
    arithmetics: Sequence[Arithmetic], int8_error: float | None
) -> Sequence[Arithmetic]:
    if int8_error is None or int8_error <= LARGEST_ERROR or len(arithmetics) == 1:
        return arithmetics
    return [one for one in arithmetics if one.precision != "int8"]


def _size(tensor: Tensor) -> tuple[int, ...]:
    """Shape, and density in half octaves."""
    rows, columns = matrix_shape(tensor.shape)
    return rows, columns, round(2 * log2(max(tensor.kept, 1) / (rows * columns)))


def _key(tensor: Tensor, form: Form) -> tuple[object, ...]:
    size = _size(tensor)
    return form, *(size if form.kind == "sparse" else size[:2])
