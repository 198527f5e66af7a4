"""What came of measuring a frontier."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

VERSION = 1
FRONTIER_FILE = "frontier.json"

_MARGINS = (0.0, 0.3)  # points
_POINT = 0.01  # of a metric that is a share
_HIGHEST_SHARE = 1.0  # a metric beyond it is in percent


@dataclass(frozen=True)
class Point:
    """One model in one engine.

    Attributes:
        engine: `"fineprune"`, or another one that ran the dense model.
        precision: of the engine's arithmetic.
        density: kept over prunable weights; 1 for the dense model.
        bits: of packed weights in layers; None for the dense model.
        embedding_bits: of packed embeddings; None for the dense model.
        metrics: of the task.
        bytes: of all that has to be shipped: weights, config and tokenizer.
        milliseconds: that a text takes, one after the other.
        texts_per_second: in batches of 64 texts of like length.
    """

    engine: str
    precision: str
    density: float
    bits: int | None
    embedding_bits: int | None
    metrics: Mapping[str, float]
    bytes: int
    milliseconds: float
    texts_per_second: float

    @property
    def is_ours(self) -> bool:
        """Whether it is a packed model in this package's engine."""
        return self.engine == "fineprune"


@dataclass(frozen=True)
class Machine:
    """What it was measured on.

    Attributes:
        cpu: its name.
        threads: of each engine.
        instructions: the set that the engine's kernels use.
    """

    cpu: str
    threads: int
    instructions: str


@dataclass(frozen=True)
class Frontier:
    """Models of one run, beside the dense one.

    Attributes:
        task: its kind.
        split: that was scored.
        metric: by which models are compared.
        rows: texts that were scored.
        machine: what it was measured on.
        points: all that was measured.
        left_out: engines that were not, and why.
    """

    task: str
    split: str
    metric: str
    rows: int
    machine: Machine
    points: Sequence[Point]
    left_out: Mapping[str, str]

    def record(self) -> dict[str, Any]:
        """All of it, as JSON types."""
        return {"version": VERSION, **asdict(self), "in_words": list(self.in_words())}

    def in_words(self) -> Iterator[str]:
        """What packed models as accurate as the dense one in int8 bring."""
        rivals = [one for one in self.points if not one.is_ours and "int8" in one.precision]
        if rivals:
            best = max(map(self._score, rivals))
            fastest = min(rivals, key=lambda one: one.milliseconds)
            for margin in _MARGINS:
                yield self._beside(fastest, best, margin)

    def _beside(self, rival: Point, best: float, margin: float) -> str:
        unit = _POINT if best <= _HIGHEST_SHARE else 100 * _POINT
        below = f" less {margin:g} points" if margin else ""
        aim = f"the {self.metric} of the dense model in int8, {best:.4g}{below}"
        enough = [
            one for one in self.points if one.is_ours and self._score(one) >= best - margin * unit
        ]
        if not enough:
            return f"No packed model reaches {aim}."
        ours = min(enough, key=lambda one: one.milliseconds)
        return (
            f"{ours.density:.1%} kept reaches {aim}: {self._score(ours):.4g} in "
            f"{ours.precision}, {rival.milliseconds / ours.milliseconds:.1f} times as fast as "
            f"{rival.engine} {rival.precision}, and {rival.bytes / ours.bytes:.1f} times smaller."
        )

    def _score(self, point: Point) -> float:
        return point.metrics[self.metric]
