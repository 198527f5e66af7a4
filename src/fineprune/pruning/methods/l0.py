"""L0 regularization."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self, final

import torch
from torch import Tensor
from typing_extensions import override

from fineprune.core.control import PenaltyController
from fineprune.core.gates import (
    CLOSED,
    expected_gates,
    gated_weight,
    sample_noise,
    sampled_gates,
)
from fineprune.core.masked_weight import kept_part
from fineprune.core.penalties import mean_over_matrices, mean_over_weights, open_gate_penalty
from fineprune.core.schedules import Schedule, constant
from fineprune.pruning.levels import Level, ScoreCut
from fineprune.pruning.methods.base import (
    RANKINGS,
    Matrix,
    Method,
    full_scores,
    require_one_of,
    scores_of,
)
from fineprune.pruning.methods.rules import OpenGates, Rule, ShiftedGates


@final
@dataclass(frozen=True)
class L0(Method[Any]):
    """Multiplies weights by hard-concrete gates and pays for those that open (Louizos et al. 2018).

    A gate that is 0 prunes, and others scale their weight. Give exactly one of `keep` and
    `final_lambda`:

    - With `final_lambda`, as in the paper, nothing is scheduled, and how much is kept depends on
      lambda. The penalty is a mean over matrices of means.
    - With `keep`, a controller sets lambda so that the share of open gates falls to that fraction
      while the level moves, and a shift of all gates makes it exact. The penalty is a mean over
      weights.

    Attributes:
        final_lambda: weight of the penalty, from the first step on.
        initial_score: where all scores start; 2.197 opens nine gates of ten.
        keep: fraction of the weights kept in the end.
    """

    name: ClassVar[str] = "l0"
    learns_scores: ClassVar[bool] = True
    scales_weights: ClassVar[bool] = True
    final_lambda: float | None = None
    initial_score: float = 2.197
    keep: float | None = None

    def __post_init__(self) -> None:
        require_one_of(self.name, keep=self.keep, final_lambda=self.final_lambda)
        _ = self.rule  # which checks the other fields

    @override
    @classmethod
    def at_threshold(cls, threshold: float) -> Self:
        return cls(final_lambda=0.0)

    @override
    @cached_property
    def rule(self) -> Rule[Any]:
        if self.keep is None:
            return OpenGates(closed=CLOSED)
        return ShiftedGates(keep=self.keep, closed=CLOSED)

    @override
    @property
    def updates(self) -> int | None:
        return None if self.keep is None else RANKINGS

    @override
    @property
    def initial_matrix_level(self) -> ScoreCut:
        return self.matrix_level(0.0)

    @override
    def matrix_level(self, value: float) -> ScoreCut:
        return ScoreCut(value)  # by how much the gates are shifted

    @override
    def initial_scores(self, weight: Tensor) -> Tensor:
        return full_scores(weight, self.initial_score)

    @override
    def importance(self, matrix: Matrix) -> Tensor:
        return scores_of(matrix)

    @override
    def draw(self, scores: Tensor | None, level: Level, generator: torch.Generator) -> Tensor:
        learned = _shifted(scores, level)
        return sampled_gates(learned, sample_noise(learned, generator))

    @override
    def masked_weight(
        self,
        weight: Tensor,
        scores: Tensor | None,
        mask: Tensor,
        level: Level,
        drawn: Tensor | None = None,
    ) -> Tensor:
        if scores is None:
            return super().masked_weight(weight, scores, mask, level, drawn)
        gates = self.multiplier(scores, mask, level) if drawn is None else drawn
        return gated_weight(weight, scores, gates, sampled=drawn is not None)

    @override
    def multiplier(self, scores: Tensor | None, mask: Tensor, level: Level) -> Tensor:
        if scores is None:
            return mask
        # Rounding may leave a gate at the cut open by a hair; the mask says which are closed.
        return kept_part(expected_gates(_shifted(scores, level)), mask)

    @override
    def penalty(self, scores: Sequence[Tensor]) -> Tensor:
        return open_gate_penalty(
            scores, mean_over_matrices if self.keep is None else mean_over_weights
        )

    @override
    def level_schedule(self, *, begin: int, end: int) -> Schedule:
        return constant(0.0) if self.keep is None else super().level_schedule(begin=begin, end=end)

    @override
    def penalty_schedule(self, *, begin: int, end: int) -> Schedule:
        return constant(self.final_lambda or 0.0)

    @override
    @property
    def controller(self) -> PenaltyController | None:
        return None if self.keep is None else PenaltyController(self.keep)


def _shifted(scores: Tensor | None, level: Level) -> Tensor:
    if scores is None:
        raise TypeError("this method learns scores, and was given none")
    return scores.detach() - level.value
