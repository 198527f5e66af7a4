"""Moves masks and penalty as training goes on, in any loop."""

import math
from collections.abc import Sequence
from typing import cast, final

import torch
from torch import Tensor, nn

from fineprune.core.schedules import Schedule
from fineprune.errors import TrainingError
from fineprune.pruning.levels import Level
from fineprune.pruning.masks import Masks, second_moment_of
from fineprune.pruning.parameters import require_own_group
from fineprune.pruning.schedule import PruningSchedule
from fineprune.pruning.stages import level_schedules, stages_of

_LEAST_SHARE = 1e-30
"""A controller takes logarithms; scores far below 0 leave a share of 0 in float32."""


@final
class Pruner:
    """What a training loop has to call beside its optimizer.

    ::

        attach(model, SoftMovement(keep=0.05))
        optimizer = torch.optim.AdamW(parameter_groups(model, learning_rate=2e-4))
        pruner = Pruner(model, optimizer, total_steps=len(loader))
        for batch in loader:
            loss = model(**batch).loss + pruner.penalty()
            loss.backward()
            optimizer.step()
            pruner.step()  # after the optimizer's step, before its gradients are cleared
            optimizer.zero_grad()

    Level and penalty are functions of the step alone, and what else there is to remember stands in
    the model's buffers. So a loop that resumes restores model and optimizer, and gives its step.

    Args:
        model: after `attach`, and after whatever wraps or shards it.
        optimizer: what trains it; its scores are in a group of their own (`parameter_groups`).
        total_steps: optimizer steps of the whole run.
        schedule: when the level moves.
        penalty_schedule: when the penalty grows; None for the same.
        densities: fractions to keep on the way, from the largest to the method's own `keep`, each
            with a stage of its own; empty for none but the last.
        freeze_after: fraction of the steps after the final density, from which on masks stay as
            they are, and scores with their optimizer state are released; None for never.
        step: optimizer steps that were made before.

    Raises:
        TargetError: the model has no masks.
        TrainingError: the schedule does not fit into the steps, the method cannot pass through
            the densities, or the optimizer would train scores like weights.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        *,
        total_steps: int,
        schedule: PruningSchedule | None = None,
        penalty_schedule: PruningSchedule | None = None,
        densities: Sequence[float] = (),
        freeze_after: float | None = None,
        step: int = 0,
    ) -> None:
        self.masks = Masks.of(model)
        self._optimizer = optimizer
        schedule = schedule or PruningSchedule()
        self.stages = stages_of(schedule, total_steps, len(densities) or 1)
        require_own_group(self.masks.scores(), optimizer)
        method = self.masks.method
        self._levels = level_schedules(method, self.stages, densities)
        begin, end = (penalty_schedule or schedule).window(self.stages[0].stop)
        self._penalty: Schedule = method.penalty_schedule(begin=begin, end=end)
        self._freeze_step = _freeze_step(self.stages[-1].end, total_steps, freeze_after)
        self._step = step
        if self._is_frozen():
            self._freeze()
        self._start()

    @property
    def has_final_density(self) -> bool:
        """Whether the level has reached its end."""
        return self._step >= self.stages[-1].end

    @property
    def recovers(self) -> bool:
        """Whether the coming step trains at a density that has been reached, and does not move."""
        begins = [*(stage.begin for stage in self.stages[1:]), math.inf]
        return any(
            stage.end <= self._step <= begin
            for stage, begin in zip(self.stages, begins, strict=True)
        )

    @property
    def penalty_weight(self) -> float:
        """Lambda of the coming step."""
        if self.masks.frozen:
            return 0.0
        steering = self.masks.steering
        return self._penalty(self._step) if steering is None else steering.penalty_weight

    def penalty(self) -> Tensor:
        """The term to add to the loss, once for each optimizer step: a scalar with gradient.

        In a loop that accumulates gradients, add it to one of the batches only.
        """
        penalty = self.masks.penalty() if self.penalty_weight else None
        return torch.zeros(()) if penalty is None else self.penalty_weight * penalty

    def add_penalty_gradient(self) -> None:
        """Adds the penalty to the gradients of the scores: for loops whose loss has no such term.

        To be called once an optimizer step, after the last backward pass.
        """
        scores = self.masks.scores()
        if not scores or not self.penalty_weight:
            return
        with torch.enable_grad():
            gradients = torch.autograd.grad(self.penalty(), scores)
        for score, gradient in zip(scores, gradients, strict=True):
            score.grad = gradient if score.grad is None else score.grad.add_(gradient)

    def step(self) -> None:
        """Moves masks and penalty to what the next step needs.

        To be called after each step of the optimizer, before the gradients are cleared.

        Raises:
            TrainingError: the method ranks weights by gradients, and these were cleared before.
        """
        self._observe()
        self._step += 1
        if self._is_due():
            self.masks.update(self._level(), self._optimizer)
        else:
            self.masks.apply_in_place()
            self.masks.mark_fresh()
        if self._is_frozen():
            self._freeze()
        self._steer()
        self.masks.draw(self._step)

    def _start(self) -> None:
        """Makes the masks of the first step; those of a run that goes on were loaded with it."""
        method = self.masks.method
        begins = self._step == 0 and not method.needs_second_moment
        if (begins or method.updates is None) and not self.masks.frozen:
            self.masks.update(self._level())
        else:
            self.masks.mark_fresh()
        if method.controller is not None and self._step == 0:
            self.masks.steering = method.controller.start(self._share())
        self.masks.draw(self._step)

    def _place(self) -> int:
        """The number of the stage whose level holds at this step."""
        begun = [i for i, stage in enumerate(self.stages) if stage.begin <= self._step]
        return begun[-1] if begun else 0

    def _level(self) -> Level:
        """The level of this step."""
        method = self.masks.method
        return cast(Level, method.level(self._levels[self._place()](self._step)))

    def _is_frozen(self) -> bool:
        """Whether masks stay as they are from this step on."""
        return self._freeze_step is not None and self._step >= self._freeze_step

    def _is_due(self) -> bool:
        """Whether the masks are made anew at this step."""
        if self.masks.frozen:
            return False
        method = self.masks.method
        if method.updates is None:
            return True
        stage = self.stages[self._place()]
        interval = max(1, (stage.end - stage.begin) // method.updates)
        if self._step >= stage.end:
            since = self._step - stage.end
            return since == 0 or (since % interval == 0 and not method.prunes_in_place)
        since = self._step - stage.begin
        return since >= 0 and since % interval == 0

    def _observe(self) -> None:
        """Keeps the running mean of squared gradients that an optimizer does not."""
        if not self.masks.method.needs_second_moment or self.has_final_density:
            return
        for one in self.masks:
            if second_moment_of(one.weight, self._optimizer) is None:
                if one.weight.grad is None:
                    raise TrainingError(
                        f"{self.masks.method.name} ranks weights by their gradients, and "
                        f"{one.name} has none: call Pruner.step() after optimizer.step() and "
                        f"before optimizer.zero_grad()"
                    )
                one.mask.observe(one.weight.grad)

    def _steer(self) -> None:
        controller, last = self.masks.method.controller, self.masks.steering
        if controller is None or last is None or self.masks.frozen:
            return
        [stage] = self.stages  # a method with a controller goes to one density
        self.masks.steering = controller.steered(
            last, self._share(), step=self._step, begin=stage.begin, end=stage.end
        )

    @torch.no_grad()
    def _share(self) -> float:
        """The share of gates that are expected to be open: what the penalty is the mean of."""
        penalty = self.masks.penalty()
        return 1.0 if penalty is None else max(float(penalty), _LEAST_SHARE)

    def _freeze(self) -> None:
        if self.masks.frozen:
            return
        scores = self.masks.scores()
        self.masks.freeze()
        released = {id(score) for score in scores}
        for group in self._optimizer.param_groups:
            group["params"] = [p for p in group["params"] if id(p) not in released]
        for score in scores:
            self._optimizer.state.pop(score, None)


def _freeze_step(final: int, total: int, freeze_after: float | None) -> int | None:
    if freeze_after is None:
        return None
    if not 0 <= freeze_after <= 1:
        raise TrainingError(f"freeze_after must lie within 0 to 1, found {freeze_after}")
    return final + round(freeze_after * (total - final))
