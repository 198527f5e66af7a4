"""When pruning begins and ends within a run."""

from typing import final

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from fineprune.errors import TrainingError
from fineprune.pruning.numbers import NotNegative, Positive


@final
@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class PruningSchedule:
    """A window of steps, given as the paper gives it: in warm-ups at either end of the run.

    The level holds its first value for `initial_warmup` warm-ups, moves, and holds its last value
    for `final_warmup` warm-ups, in which the weights that are left recover.

    Attributes:
        warmup_steps: length of one warm-up in steps; below 1, as a fraction of all steps.
        initial_warmup: warm-ups before the level moves.
        final_warmup: warm-ups after it has moved.
    """

    warmup_steps: Positive = 0.1
    initial_warmup: NotNegative = 0.5
    final_warmup: NotNegative = 4

    def window(self, total_steps: int) -> tuple[int, int]:
        """The steps between which the level moves.

        Raises:
            TrainingError: a run of `total_steps` ends before its warm-ups do; it would never
                prune, and then be taken for a pruned one.
        """
        warmup = self.warmup_steps if self.warmup_steps >= 1 else self.warmup_steps * total_steps
        begin = round(self.initial_warmup * warmup)
        end = total_steps - round(self.final_warmup * warmup)
        needed = (self.initial_warmup + self.final_warmup) * warmup
        if total_steps <= needed or end <= begin:
            raise TrainingError(
                f"warmup_steps={self.warmup_steps:g}: the run has {total_steps} steps, and "
                f"({self.initial_warmup:g} + {self.final_warmup:g}) warm-ups take {needed:g}; "
                f"more steps than that are needed: train longer or warm up less"
            )
        return begin, end
