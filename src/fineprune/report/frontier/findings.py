"""What a frontier says, in words: what packed models bring beside the dense one in int8."""

from collections.abc import Iterator
from math import inf

from fineprune.report.frontier.records import OURS, Frontier, Point

_MARGINS = (0.0, 0.3)  # points
_POINT = 0.01  # of a metric that is a share
_HIGHEST_SHARE = 1.0  # a metric beyond it is in percent


def in_words(frontier: Frontier) -> Iterator[str]:
    """What packed models as accurate as the dense one in int8 bring; nothing without that one."""
    rivals = [one for one in frontier.points if one.engine != OURS and "int8" in one.precision]
    if rivals:
        best = max(_score(one, frontier) for one in rivals)
        fastest = min(rivals, key=_milliseconds)
        for margin in _MARGINS:
            yield _beside(frontier, fastest, best, margin)


def _beside(frontier: Frontier, rival: Point, best: float, margin: float) -> str:
    unit = _POINT if best <= _HIGHEST_SHARE else 100 * _POINT
    below = f" less {margin:g} points" if margin else ""
    aim = f"the {frontier.metric} of the dense model in int8, {best:.4g}{below}"
    ours = [one for one in frontier.points if one.engine == OURS]
    enough = [one for one in ours if _score(one, frontier) >= best - margin * unit]
    if not enough:
        return f"No packed model reaches {aim}."
    chosen = min(enough, key=_milliseconds)
    faster = _milliseconds(rival) / _milliseconds(chosen)
    return (
        f"{chosen.density:.1%} kept reaches {aim}: {_score(chosen, frontier):.4g} in "
        f"{chosen.precision}, {faster:.1f} times as fast as "
        f"{rival.engine} {rival.precision}, and {rival.bytes / chosen.bytes:.1f} times smaller."
    )


def _score(point: Point, frontier: Frontier) -> float:
    return point.metrics[frontier.metric]


def _milliseconds(point: Point) -> float:
    return inf if point.milliseconds is None else point.milliseconds
