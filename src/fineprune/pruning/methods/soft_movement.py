"""Soft movement pruning."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self, final

import torch
from torch import Tensor
from typing_extensions import override

from fineprune.core.penalties import mean_over_matrices, mean_over_weights, sigmoid_penalty
from fineprune.core.schedules import Schedule, cubic, proportional
from fineprune.pruning.methods.base import (
    RANKINGS,
    Matrix,
    Method,
    full_scores,
    require_one_of,
    scores_of,
)
from fineprune.pruning.methods.rules import Cutting, Ranking, Rule, Scope

_FLOOR, _CUT = 0.005, 0.1
_SHARE_FLOOR = 0.05


@final
@dataclass(frozen=True, kw_only=True)
class SoftMovement(Method[Any]):
    """Learns which weights to keep under a penalty lambda * mean(sigmoid(S)) (Sanh et al. 2020).

    The gradient of a score is straight through, without the sigmoid's derivative. Give exactly one
    of `keep` and `final_lambda`:

    - With `keep`, the cut through the scores follows their quantile, so that the density follows
      its schedule exactly. The penalty is a mean over weights, and lambda a constant: where a
      ranking sets the density, one value serves all densities (Jiang et al. 2022).
    - With `final_lambda`, as in the paper (`sigmoied_threshold` in its code), weights with
      sigmoid(S) > tau are kept, and how many those are depends on lambda and on the length of the
      run. The penalty is a mean over matrices of means.

    Attributes:
        keep: fraction of the weights kept in the end.
        final_lambda: weight of the penalty once its schedule has ended.
        scope: with `keep`, who competes, as for ranked methods.
        share_floor: with `keep`, the least share of the density that each matrix keeps.
        cut: with `final_lambda`, tau in the end.
        floor: with `final_lambda`, the fraction of each matrix that stays whatever its scores; the
            original used 0.005 (and kept one weight more than that).
        initial_score: where all scores start.
    """

    name: ClassVar[str] = "soft_movement"
    learning_rate_ratio: ClassVar[float] = 4.0
    learns_scores: ClassVar[bool] = True
    constant_lambda: ClassVar[float] = 400.0
    keep: float | None = None
    final_lambda: float | None = None
    scope: Scope = "global"
    share_floor: float = _SHARE_FLOOR
    cut: float = _CUT
    floor: float = _FLOOR
    initial_score: float = 0.0

    def __post_init__(self) -> None:
        require_one_of(self.name, keep=self.keep, final_lambda=self.final_lambda)
        if self.keep is None:
            self._refuse_changed(("scope", "share_floor"), "keep")
            if not 0 < self.cut < 1:
                raise ValueError(f"cut must lie between 0 and 1, found {self.cut}")
        else:
            self._refuse_changed(("cut", "floor"), "final_lambda")
        _ = self.rule  # which checks the other fields

    @override
    @classmethod
    def at_threshold(cls, threshold: float) -> Self:
        return cls(final_lambda=0.0, cut=threshold)

    @override
    @cached_property
    def rule(self) -> Rule[Any]:
        if self.keep is not None:
            return Ranking(self.keep, self.scope, self.share_floor)
        return Cutting(self.cut, 0.0, self.floor, squash=torch.sigmoid)

    @override
    @property
    def updates(self) -> int | None:
        return None if self.keep is None else RANKINGS

    @override
    def initial_scores(self, weight: Tensor) -> Tensor:
        return full_scores(weight, self.initial_score)

    @override
    def importance(self, matrix: Matrix) -> Tensor:
        return scores_of(matrix)

    @override
    def penalty(self, scores: Sequence[Tensor]) -> Tensor:
        return sigmoid_penalty(
            scores, mean_over_matrices if self.keep is None else mean_over_weights
        )

    @override
    def penalty_schedule(self, *, begin: int, end: int) -> Schedule:
        if self.final_lambda is None:
            return cubic(0.0, self.constant_lambda, begin=begin, end=end)
        ramp = cubic(0.0, self.cut, begin=begin, end=end)
        return proportional(ramp, reference=self.cut, peak=self.final_lambda)

    def _refuse_changed(self, names: Sequence[str], belongs_to: str) -> None:
        for name in names:
            if getattr(self, name) != type(self).__dataclass_fields__[name].default:
                raise ValueError(f"{name} belongs to {belongs_to}, which is not given")
