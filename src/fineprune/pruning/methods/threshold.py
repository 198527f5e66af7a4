"""Pruning by a cut through raw scores."""

from dataclasses import dataclass
from typing import ClassVar, Self, final

from torch import Tensor
from typing_extensions import override

from fineprune.pruning.levels import Level, ScoreCut
from fineprune.pruning.methods.cut import CutMethod


@final
@dataclass(frozen=True, kw_only=True)
class Threshold(CutMethod):
    """Keeps weights with S > tau; `threshold` in the original code.

    Attributes:
        initial_cut: tau at the start. Scores start at 0, so that a negative one prunes nothing.
    """

    name: ClassVar[str] = "threshold"
    cut: float = 0.0
    initial_cut: float = -0.5

    @override
    @classmethod
    def at_threshold(cls, threshold: float) -> Self:
        return cls(cut=threshold)

    @override
    @property
    def initial_level(self) -> Level:
        return ScoreCut(self.initial_cut)

    @override
    def importance(self, scores: Tensor) -> Tensor:
        return scores.detach()
