"""What a frontier says, in words: how it was measured, and what packed models bring."""

from collections.abc import Iterator
from math import inf

from fineprune.report.frontier.records import OURS, Frontier, Point
from fineprune.report.numbers import metric, whole
from fineprune.wording import counted

_MARGINS = (0.0, 0.3)  # points
_POINT = 0.01  # of a metric that is a share
_HIGHEST_SHARE = 1.0  # a metric beyond it is in percent


def conditions(frontier: Frontier) -> str:
    """How it was measured, in two sentences."""
    machine, name = frontier.machine, frontier.metric
    rows = "" if frontier.rows is None else f"{whole(frontier.rows)} examples of "
    return (
        f"{name[:1].upper()}{name[1:]} on {rows}{frontier.split}, {frontier.task}. Milliseconds on "
        f"{machine.cpu}, {counted(machine.threads, 'thread')}, {machine.instructions}."
    )


def in_words(frontier: Frontier) -> Iterator[str]:
    """What packed models as accurate as the dense one in int8 bring; nothing without that one."""
    rivals = [one for one in frontier.points if one.engine != OURS and "int8" in one.precision]
    ours = [one for one in frontier.points if one.engine == OURS and one.density < 1.0]
    if not rivals or not ours:
        return
    best = max(_score(one, frontier) for one in rivals)
    fastest = min(rivals, key=_milliseconds)
    unit = _POINT if best <= _HIGHEST_SHARE else 100 * _POINT
    before: Point | None = None
    for margin in _MARGINS:
        enough = [one for one in ours if _score(one, frontier) >= best - margin * unit]
        aim = _aim(frontier, best, margin)
        if enough:
            chosen = min(enough, key=_milliseconds)
            if chosen is not before:  # the same again would be no news
                yield _beside(frontier, chosen, fastest, aim)
            before = chosen
        elif margin == max(_MARGINS):
            closest = max(ours, key=lambda one: _score(one, frontier))
            yield (
                f"No packed model reaches {aim}. The best, {closest.density:.1%} kept in "
                f"{closest.precision}, has {_written(closest, frontier)}."
            )


def _beside(frontier: Frontier, chosen: Point, rival: Point, aim: str) -> str:
    faster = _milliseconds(rival) / _milliseconds(chosen)
    return (
        f"{chosen.density:.1%} kept reaches {aim}: {_written(chosen, frontier)} in "
        f"{chosen.precision}, {faster:.1f} times as fast as "
        f"{rival.engine} {rival.precision}, and {rival.bytes / chosen.bytes:.1f} times smaller."
    )


def _aim(frontier: Frontier, best: float, margin: float) -> str:
    below = f" less {margin:g} points" if margin else ""
    return (
        f"the {frontier.metric} of the dense model in int8, {metric(frontier.metric, best)}{below}"
    )


def _written(point: Point, frontier: Frontier) -> str:
    return metric(frontier.metric, _score(point, frontier))


def _score(point: Point, frontier: Frontier) -> float:
    return point.metrics[frontier.metric]


def _milliseconds(point: Point) -> float:
    return inf if point.milliseconds is None else point.milliseconds
