"""The stages of a run that passes through several densities."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, cast, final

from fineprune.core.schedules import Schedule, cubic
from fineprune.errors import TrainingError
from fineprune.pruning.methods import Method
from fineprune.pruning.methods.rules import Ranking
from fineprune.pruning.schedule import PruningSchedule

_FIRST_SHARE = 2
"""How many times as long the first stage is as each other one: it comes from the dense model."""


@final
@dataclass(frozen=True)
class Stage:
    """One density of a run: the steps in which the level moves to it, and recovers.

    Attributes:
        start: the step before its first.
        begin: the step from which the level moves.
        end: the step at which it arrives.
        stop: its last step.
    """

    start: int
    begin: int
    end: int
    stop: int


def stages_of(schedule: PruningSchedule, total_steps: int, densities: int = 1) -> list[Stage]:
    """Shares out the steps of a run, and lets the schedule say when the level moves in each part.

    Args:
        schedule: its warm-ups are those of one stage.
        total_steps: optimizer steps of the whole run.
        densities: how many stages there are.

    Raises:
        TrainingError: a stage ends before its warm-ups do.
    """
    shares = _FIRST_SHARE + densities - 1
    stops = [round(total_steps * (i + _FIRST_SHARE) / shares) for i in range(densities)]
    stages = []
    for start, stop in zip([0, *stops], stops, strict=False):
        begin, end = schedule.window(stop - start)
        stages.append(Stage(start, start + begin, start + end, stop))
    return stages


def level_schedules(
    method: Method[Any], stages: Sequence[Stage], densities: Sequence[float]
) -> list[Schedule]:
    """The number of the level at each step, by stage.

    Raises:
        TrainingError: the method cannot pass through densities, or ends at another one.
    """
    first = stages[0]
    if not densities:
        return [method.level_schedule(begin=first.begin, end=first.end)]
    require_densities(method, densities)
    to_first = replace(cast(Any, method), keep=densities[0])
    schedules = [to_first.level_schedule(begin=first.begin, end=first.end)]
    for i, stage in enumerate(stages[1:], 1):
        falling = cubic(densities[i - 1], densities[i], begin=stage.begin, end=stage.end)
        schedules.append(falling)
    return schedules


def require_densities(method: Method[Any], densities: Sequence[float]) -> None:
    """Checks that one run with a method can pass through densities.

    Raises:
        TrainingError: it cannot.
    """
    if not isinstance(method.rule, Ranking):
        raise TrainingError(
            f"{method.name} cannot pass through several densities; expected a method that ranks "
            f"weights: fisher, magnitude, movement, or soft_movement with keep"
        )
    if any(later >= earlier for earlier, later in pairwise(densities)):
        raise TrainingError(f"densities must fall from one to the next, found {list(densities)}")
    if densities[-1] <= 0 or densities[0] > 1:
        raise TrainingError(f"densities must be above 0 and at most 1, found {list(densities)}")
    if method.rule.keep != densities[-1]:
        raise TrainingError(
            f"keep is {method.rule.keep:g}, and the densities end at {densities[-1]:g}: give one "
            f"of the two"
        )
