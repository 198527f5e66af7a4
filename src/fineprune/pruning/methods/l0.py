"""L0 regularization."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self, final

from torch import Tensor
from typing_extensions import override

from fineprune.core.gates import expected_gates, sample_noise, sampled_gates
from fineprune.core.penalties import open_gate_penalty
from fineprune.core.schedules import Schedule, constant
from fineprune.pruning.levels import Level, ScoreCut
from fineprune.pruning.methods.base import Method
from fineprune.pruning.methods.scores import full_scores, required


@final
@dataclass(frozen=True)
class L0(Method):
    """Multiplies weights by hard-concrete gates and pays for those that open (Louizos et al. 2018).

    The gates are their own level: one that is 0 prunes, and others scale their weight. Nothing is
    scheduled.

    Attributes:
        final_lambda: weight of the penalty, from the first step on.
        initial_score: where all scores start; 2.197 opens nine gates of ten.
    """

    name: ClassVar[str] = "l0"
    final_lambda: float
    initial_score: float = 2.197

    def __post_init__(self) -> None:
        if self.final_lambda < 0:
            raise ValueError(f"final_lambda must not be negative, found {self.final_lambda}")

    @override
    @classmethod
    def at_threshold(cls, threshold: float) -> Self:
        return cls(final_lambda=0.0)

    @override
    @property
    def initial_level(self) -> Level:
        return ScoreCut(0.0)

    @override
    @property
    def final_level(self) -> Level:
        return ScoreCut(0.0)

    @override
    def level(self, value: float) -> Level:
        return ScoreCut(0.0)

    @override
    def initial_scores(self, weight: Tensor) -> Tensor:
        return full_scores(weight, self.initial_score)

    @override
    def mask(self, weight: Tensor, scores: Tensor | None, level: Level) -> Tensor:
        return expected_gates(required(scores))

    @override
    def masked_weight(
        self, weight: Tensor, scores: Tensor | None, level: Level, *, training: bool
    ) -> Tensor:
        learned = required(scores)
        gates = (
            sampled_gates(learned, sample_noise(learned)) if training else expected_gates(learned)
        )
        return weight * gates.to(weight.dtype)

    @override
    def penalty(self, scores: Sequence[Tensor]) -> Tensor:
        return open_gate_penalty(scores)

    @override
    def level_schedule(self, *, begin: int, end: int) -> Schedule:
        return constant(0.0)

    @override
    def penalty_schedule(self, *, begin: int, end: int) -> Schedule:
        return constant(self.final_lambda)
