"""Moves the level as training goes on."""

from collections.abc import Callable
from typing import Any, final

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from typing_extensions import override

from fineprune.core.schedules import constant
from fineprune.pruning.masks import Masks
from fineprune.training.schedule import PruningSchedule


@final
class LevelCallback(TrainerCallback):
    """Sets the level and the penalty's weight for the step that comes next.

    Both are functions of the step alone, so a resumed run needs nothing but its step.

    Attributes:
        penalty_weight: lambda of the coming step.
    """

    def __init__(
        self, masks: Masks, schedule: PruningSchedule, penalty_schedule: PruningSchedule
    ) -> None:
        self.penalty_weight = 0.0
        self._masks = masks
        self._schedules = (schedule, penalty_schedule)
        self._level: Callable[[int], float] = constant(masks.level.value)
        self._penalty: Callable[[int], float] = constant(0.0)

    @override
    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        method = self._masks.method
        (begin, end), (penalty_begin, penalty_end) = (
            schedule.window(state.max_steps) for schedule in self._schedules
        )
        self._level = method.level_schedule(begin=begin, end=end)
        self._penalty = method.penalty_schedule(begin=penalty_begin, end=penalty_end)
        self._move(state.global_step)

    @override
    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        self._move(state.global_step)

    def _move(self, step: int) -> None:
        self._masks.set_level(self._masks.method.level(self._level(step)))
        self.penalty_weight = self._penalty(step)
