"""What came of measuring a frontier."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import inf
from typing import Any

from fineprune.report.records import OURS, Point

VERSION = 1
FRONTIER_FILE = "frontier.json"

_MARGINS = (0.0, 0.3)  # points
_POINT = 0.01  # of a metric that is a share
_HIGHEST_SHARE = 1.0  # a metric beyond it is in percent


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
class FrontierRecord:
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
        rivals = [one for one in self.points if one.engine != OURS and "int8" in one.precision]
        if rivals:
            best = max(map(self._score, rivals))
            fastest = min(rivals, key=_milliseconds)
            for margin in _MARGINS:
                yield self._beside(fastest, best, margin)

    def _beside(self, rival: Point, best: float, margin: float) -> str:
        unit = _POINT if best <= _HIGHEST_SHARE else 100 * _POINT
        below = f" less {margin:g} points" if margin else ""
        aim = f"the {self.metric} of the dense model in int8, {best:.4g}{below}"
        ours = [one for one in self.points if one.engine == OURS]
        enough = [one for one in ours if self._score(one) >= best - margin * unit]
        if not enough:
            return f"No packed model reaches {aim}."
        chosen = min(enough, key=_milliseconds)
        faster = _milliseconds(rival) / _milliseconds(chosen)
        return (
            f"{chosen.density:.1%} kept reaches {aim}: {self._score(chosen):.4g} in "
            f"{chosen.precision}, {faster:.1f} times as fast as "
            f"{rival.engine} {rival.precision}, and {rival.bytes / chosen.bytes:.1f} times smaller."
        )

    def _score(self, point: Point) -> float:
        return point.metrics[self.metric]


def _milliseconds(point: Point) -> float:
    return inf if point.milliseconds is None else point.milliseconds
