"""Soft movement pruning."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self, final

import torch
from torch import Tensor
from typing_extensions import override

from fineprune.core.penalties import sigmoid_penalty
from fineprune.core.schedules import Schedule, cubic, proportional
from fineprune.pruning.levels import Level, ScoreCut
from fineprune.pruning.methods.cut import CutMethod


@final
@dataclass(frozen=True, kw_only=True)
class SoftMovement(CutMethod):
    """Keeps weights with sigmoid(S) > tau (Sanh et al. 2020); `sigmoied_threshold` in their code.

    How many those are is learned, under a penalty lambda * mean(sigmoid(S)). The gradient of a
    score is straight through, without the sigmoid's derivative.

    Attributes:
        final_lambda: weight of the penalty once its schedule has ended.
    """

    name: ClassVar[str] = "soft_movement"
    final_lambda: float
    cut: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.cut < 1:
            raise ValueError(f"cut must lie between 0 and 1, found {self.cut}")
        if self.final_lambda < 0:
            raise ValueError(f"final_lambda must not be negative, found {self.final_lambda}")

    @override
    @classmethod
    def at_threshold(cls, threshold: float) -> Self:
        return cls(final_lambda=0.0, cut=threshold)

    @override
    @property
    def initial_level(self) -> Level:
        return ScoreCut(0.0)

    @override
    def importance(self, scores: Tensor) -> Tensor:
        return torch.sigmoid(scores.detach())

    @override
    def penalty(self, scores: Sequence[Tensor]) -> Tensor:
        return sigmoid_penalty(scores)

    @override
    def penalty_schedule(self, *, begin: int, end: int) -> Schedule:
        ramp = cubic(0.0, self.cut, begin=begin, end=end)
        return proportional(ramp, reference=self.cut, peak=self.final_lambda)
