"""Magnitude, Movement and Fisher: methods that keep the weights which rank highest."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Self, final

import torch
from torch import Tensor
from typing_extensions import override

from fineprune.core.schedules import Schedule, cubic
from fineprune.pruning.levels import KeepFraction
from fineprune.pruning.methods.base import RANKINGS, Matrix, Method, full_scores, scores_of
from fineprune.pruning.methods.rules import Ranking, Scope


@dataclass(frozen=True)
class RankedMethod(Method[KeepFraction]):
    """Abstract: ranks weights by an importance and keeps exactly a fraction of them.

    Attributes:
        keep: fraction of the weights kept in the end.
        scope: who competes for it: the weights of one matrix (`"local"`), of all matrices of one
            kind, such as all queries (`"kind"`), or of all matrices (`"global"`).
        share_floor: where matrices compete, the least share of the density that each one keeps.
        initial_keep: fraction that the first cut leaves.
    """

    keep: float = 0.1
    scope: Scope = "local"
    share_floor: float = 0.0
    initial_keep: float = 1.0

    def __post_init__(self) -> None:
        _ = self.rule  # which checks the fields

    @override
    @classmethod
    def at_threshold(cls, threshold: float) -> Self:
        return cls(keep=threshold)

    @override
    @property
    def updates(self) -> int:
        return RANKINGS

    @override
    @cached_property
    def rule(self) -> Ranking:
        return Ranking(self.keep, self.scope, self.share_floor, self.initial_keep)

    @override
    def level_schedule(self, *, begin: int, end: int) -> Schedule:
        falling = cubic(max(self.initial_keep, self.keep), self.keep, begin=begin, end=end)
        return lambda step: 1.0 if step < begin else falling(step)


@final
@dataclass(frozen=True)
class Magnitude(RankedMethod):
    """Keeps the weights of largest absolute value (Zhu and Gupta 2017); learns no scores."""

    name: ClassVar[str] = "magnitude"
    learning_rate_ratio: ClassVar[float] = 8.0

    @override
    def importance(self, matrix: Matrix) -> Tensor:
        return matrix.weight.detach().abs()


@final
@dataclass(frozen=True)
class Movement(RankedMethod):
    """Keeps the weights of highest score (Sanh et al. 2020, section 4); `topK` in their code.

    The gradient of a score is dL/dW' * W: weights that training moves away from zero gain.

    Attributes:
        initial_score: where all scores start.
    """

    name: ClassVar[str] = "movement"
    learning_rate_ratio: ClassVar[float] = 4.0
    learns_scores: ClassVar[bool] = True
    initial_score: float = 0.0

    @override
    def initial_scores(self, weight: Tensor) -> Tensor:
        return full_scores(weight, self.initial_score)

    @override
    def importance(self, matrix: Matrix) -> Tensor:
        return scores_of(matrix)


@final
@dataclass(frozen=True)
class Fisher(RankedMethod):
    """Keeps the weights whose loss would be felt most: w^2 v, v the running mean of g^2.

    To second order the loss rises by half of w^2 H when a weight is removed, and v, which Adam
    keeps anyway, is an estimate of the diagonal of the empirical Fisher matrix, which stands in
    for H (optimal brain damage, LeCun et al. 1990; Kurtic et al. 2022, with blocks of size one).
    There are no scores: between cuts a step costs what a dense one costs, and what is pruned does
    not come back.
    """

    name: ClassVar[str] = "fisher"
    learning_rate_ratio: ClassVar[float] = 8.0
    prunes_in_place: ClassVar[bool] = True
    needs_second_moment: ClassVar[bool] = True
    scope: Scope = "global"
    initial_keep: float = 0.5

    @override
    @classmethod
    def at_threshold(cls, threshold: float) -> Self:
        raise ValueError("the original code had no method fisher")

    @override
    @property
    def updates(self) -> int:
        return 40

    @override
    def importance(self, matrix: Matrix) -> Tensor:
        if matrix.second_moment is None:
            raise TypeError("fisher ranks weights by their gradients, and was given none")
        # The square root of w^2 v, which ranks alike, and does not underflow in float32.
        felt = matrix.weight.detach().float().abs() * matrix.second_moment.sqrt()
        return torch.where(matrix.mask, felt, -1.0)
