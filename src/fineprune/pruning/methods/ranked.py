"""Methods that keep a fraction of the weights, those that rank highest."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

from torch import Tensor
from typing_extensions import override

from fineprune.core.selection import keep_largest, share_among
from fineprune.pruning.levels import KeepFraction, Level
from fineprune.pruning.methods.base import Method


@dataclass(frozen=True)
class RankedMethod(Method):
    """Abstract: ranks weights by an importance and keeps the first ones.

    Ties go to the weight that comes first, in row-major order within a matrix and in the model's
    order over matrices, so that a mask depends on nothing but its inputs.

    Attributes:
        keep: fraction of the weights kept in the end.
        scope: whether each matrix keeps that fraction (`"local"`), or all matrices together
            (`"global"`), competing for it.
    """

    keep: float = 0.1
    scope: Literal["local", "global"] = "local"

    def __post_init__(self) -> None:
        if not 0 < self.keep <= 1:
            raise ValueError(f"keep must be above 0 and at most 1, found {self.keep}")
        if self.scope not in ("local", "global"):
            raise ValueError(f"scope must be 'local' or 'global', found {self.scope!r}")

    @override
    @classmethod
    def at_threshold(cls, threshold: float) -> Self:
        return cls(keep=threshold)

    @abstractmethod
    def importance(self, weight: Tensor, scores: Tensor | None) -> Tensor:
        """What weights are ranked by: array of shape `(out, in)`."""

    @override
    @property
    def initial_level(self) -> Level:
        return KeepFraction(1.0)

    @override
    @property
    def final_level(self) -> Level:
        return KeepFraction(self.keep)

    @override
    def level(self, value: float) -> KeepFraction:
        return KeepFraction(value)

    @override
    def levels(
        self, weights: Sequence[Tensor], scores: Sequence[Tensor | None], level: Level
    ) -> list[Level]:
        if self.scope == "local":
            return super().levels(weights, scores, level)
        rankings = [self.importance(*pair) for pair in zip(weights, scores, strict=True)]
        sizes = [ranking.numel() for ranking in rankings]
        shares = share_among(rankings, KeepFraction(level.value).count(sum(sizes)))
        return [KeepFraction.of(*share) for share in zip(shares, sizes, strict=True)]

    @override
    def overall_level(self, levels: Sequence[Level], sizes: Sequence[int]) -> Level:
        if self.scope == "local":
            return super().overall_level(levels, sizes)
        pairs = zip(levels, sizes, strict=True)
        kept = sum(KeepFraction(level.value).count(size) for level, size in pairs)
        return KeepFraction.of(kept, sum(sizes))

    @override
    def mask(self, weight: Tensor, scores: Tensor | None, level: Level) -> Tensor:
        count = KeepFraction(level.value).count(weight.numel())
        return keep_largest(self.importance(weight, scores), count)
