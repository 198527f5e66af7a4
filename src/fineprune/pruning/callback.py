"""Pruning under `transformers.Trainer`, as a callback."""

from collections.abc import Sequence
from typing import Any, final

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from typing_extensions import override

from fineprune.pruning.pruner import Pruner
from fineprune.pruning.schedule import PruningSchedule
from fineprune.pruning.stages import Stage, stages_of


@final
class PruningCallback(TrainerCallback):
    """Moves masks and penalty of a model that a method is attached to, under any `Trainer`.

    As long as the density still falls, no checkpoint counts as the best one, and evaluations use
    up no patience of early stopping: a model that is pruned less is better, and not what was asked
    for.

    Args:
        schedule: when the level moves.
        penalty_schedule: when the penalty grows; None for the same.
        densities: fractions to keep on the way, as for `Pruner`.
        freeze_after: fraction of the steps after the final density from which on masks stay.
        penalty_in_loss: whether the trainer adds `Pruner.penalty` to its loss
            (`FinePruningMixin` does). Otherwise the callback adds its gradient to that of the
            scores before each step of the optimizer.

    Attributes:
        densities: as given.
        pruner: what moves masks and penalty; None before training.
    """

    def __init__(
        self,
        schedule: PruningSchedule | None = None,
        *,
        penalty_schedule: PruningSchedule | None = None,
        densities: Sequence[float] = (),
        freeze_after: float | None = None,
        penalty_in_loss: bool = False,
    ) -> None:
        self.pruner: Pruner | None = None
        self._schedules = (schedule or PruningSchedule(), penalty_schedule)
        self.densities = tuple(densities)
        self._freeze_after = freeze_after
        self._penalty_in_loss = penalty_in_loss
        self._was_final = False

    def stages(self, total_steps: int) -> list[Stage]:
        """The stages of a run of so many steps, one for each density.

        Raises:
            TrainingError: one of them ends before its warm-ups do.
        """
        return stages_of(self._schedules[0], total_steps, len(self.densities) or 1)

    @override
    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        schedule, penalty_schedule = self._schedules
        self.pruner = Pruner(
            kwargs["model"],
            kwargs["optimizer"],
            total_steps=state.max_steps,
            schedule=schedule,
            penalty_schedule=penalty_schedule,
            densities=self.densities,
            freeze_after=self._freeze_after,
            step=state.global_step,
        )

    @override
    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if not self._penalty_in_loss:
            self._running.add_penalty_gradient()

    @override
    def on_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._was_final = self._running.has_final_density
        self._running.step()

    @override
    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        # What was evaluated before this step, at a higher density, is not what was asked for.
        if not self._was_final:
            state.best_metric = None
            state.best_global_step = None
            state.best_model_checkpoint = None

    @override
    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        # The best checkpoint may be older than the freeze: its pruned weights are no zeros yet.
        self._running.masks.apply_in_place()

    @property
    def _running(self) -> Pruner:
        if self.pruner is None:
            raise RuntimeError("training has not begun")
        return self.pruner
