"""What came of timing engines."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fineprune.report.speed.process import EngineStoppedError
from fineprune.report.speed.shapes import Shape


@dataclass(frozen=True)
class Timing:
    """How an engine did at a shape.

    Attributes:
        engine: its name.
        shape: of the inputs.
        milliseconds: median over all runs of all turns.
        load_seconds: from the prepared file to an engine that can run.
        resident_bytes: memory of its process at the last turn.
        deviation: largest difference to the outputs of the reference, relative to their largest
            magnitude.
    """

    engine: str
    shape: Shape
    milliseconds: float
    load_seconds: float
    resident_bytes: int
    deviation: float

    @property
    def per_second(self) -> float:
        """Sequences a second."""
        return 1e3 * self.shape.batch / self.milliseconds


@dataclass(frozen=True)
class Race:
    """What came of it.

    Attributes:
        timings: shape by shape, engines in the order in which they were named.
        left_out: engines that were not timed, or not at all shapes, and why.
    """

    timings: Sequence[Timing]
    left_out: Mapping[str, str]

    def require(self, name: str) -> None:
        """Raises `EngineStoppedError` if an engine was left out."""
        if name in self.left_out:
            raise EngineStoppedError(f"{name}: {self.left_out[name]}")

    def record(self) -> dict[str, Any]:
        """All of it, as `fineprune bench --json` prints it."""
        return {
            "shapes": self._by_shape(lambda timing: timing.milliseconds),
            "per_second": self._by_shape(lambda timing: timing.per_second),
            "deviation": self._by_shape(lambda timing: timing.deviation),
            "resident_bytes": self._by_shape(lambda timing: timing.resident_bytes),
            "load_seconds": self._by_shape(lambda timing: timing.load_seconds),
            "left_out": dict(self.left_out),
        }

    def _by_shape(self, value: Callable[[Timing], float]) -> dict[str, dict[str, float]]:
        shapes: dict[str, dict[str, float]] = {}
        for timing in self.timings:
            shapes.setdefault(str(timing.shape), {})[timing.engine] = value(timing)
        return shapes
