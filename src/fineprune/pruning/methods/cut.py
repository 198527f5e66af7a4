"""Methods that keep every weight whose importance is above a cut."""

import math
from abc import abstractmethod
from dataclasses import dataclass

from torch import Tensor
from typing_extensions import override

from fineprune.core.selection import keep_largest
from fineprune.pruning.levels import Level, ScoreCut
from fineprune.pruning.methods.base import Method
from fineprune.pruning.methods.scores import full_scores, required


@dataclass(frozen=True, kw_only=True)
class CutMethod(Method):
    """Abstract: compares an importance made of the scores with a cut.

    Attributes:
        cut: importance that a weight must exceed in the end.
        floor: fraction of each matrix that stays whatever its scores; the original used 0.005
            (and kept one weight more than that).
        initial_score: where all scores start.
    """

    cut: float
    floor: float = 0.005
    initial_score: float = 0.0

    def __post_init__(self) -> None:
        if not math.isfinite(self.cut):
            raise ValueError(f"cut must be a finite number, found {self.cut}")
        if not 0 <= self.floor < 1:
            raise ValueError(f"floor must be at least 0 and below 1, found {self.floor}")

    @abstractmethod
    def importance(self, scores: Tensor) -> Tensor:
        """What is compared with the cut: array of the shape of `scores`, monotone in them."""

    @override
    @property
    def final_level(self) -> Level:
        return ScoreCut(self.cut)

    @override
    def level(self, value: float) -> ScoreCut:
        return ScoreCut(value)

    @override
    def initial_scores(self, weight: Tensor) -> Tensor:
        return full_scores(weight, self.initial_score)

    def least_count(self, size: int) -> int:
        """How many weights of a matrix of `size` the floor keeps."""
        return int(self.floor * size) + 1 if self.floor else 0

    @override
    def at_floor(self, weight: Tensor, scores: Tensor | None, level: Level) -> bool:
        learned = required(scores)
        return int(self._above(learned, level).sum()) < self.least_count(learned.numel())

    @override
    def mask(self, weight: Tensor, scores: Tensor | None, level: Level) -> Tensor:
        learned = required(scores)
        above = self._above(learned, level)
        least = self.least_count(learned.numel())
        # Ranked by the scores themselves: a sigmoid saturates and would make ties of them.
        return above if int(above.sum()) >= least else keep_largest(learned, least)

    def _above(self, scores: Tensor, level: Level) -> Tensor:
        return self.importance(scores) > level.value
