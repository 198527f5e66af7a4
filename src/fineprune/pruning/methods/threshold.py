"""Pruning by a cut through raw scores."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Self, final

from torch import Tensor
from typing_extensions import override

from fineprune.pruning.levels import ScoreCut
from fineprune.pruning.methods.base import Matrix, Method, full_scores, scores_of
from fineprune.pruning.methods.rules import Cutting


@final
@dataclass(frozen=True, kw_only=True)
class Threshold(Method[ScoreCut]):
    """Keeps weights with S > tau; `threshold` in the original code.

    Attributes:
        cut: tau in the end.
        initial_cut: tau at the start. Scores start at 0, so that a negative one prunes nothing.
        floor: fraction of each matrix that stays whatever its scores; the original used 0.005
            (and kept one weight more than that).
        initial_score: where all scores start.
    """

    name: ClassVar[str] = "threshold"
    learns_scores: ClassVar[bool] = True
    cut: float = 0.0
    initial_cut: float = -0.5
    floor: float = 0.005
    initial_score: float = 0.0

    def __post_init__(self) -> None:
        _ = self.rule  # which checks the fields

    @override
    @classmethod
    def at_threshold(cls, threshold: float) -> Self:
        return cls(cut=threshold)

    @override
    @cached_property
    def rule(self) -> Cutting:
        return Cutting(self.cut, self.initial_cut, self.floor)

    @override
    def initial_scores(self, weight: Tensor) -> Tensor:
        return full_scores(weight, self.initial_score)

    @override
    def importance(self, matrix: Matrix) -> Tensor:
        return scores_of(matrix)
