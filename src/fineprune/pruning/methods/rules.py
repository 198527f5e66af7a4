"""Rules: how a level and the importance of all weights become masks.

A rule knows nothing of where importance comes from; a method pairs an importance with a rule.
"""

import math
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar, final, get_args

from torch import Tensor
from typing_extensions import override

from fineprune.core.selection import (
    counts_of,
    keep_largest,
    keep_with_floors,
    kth_largest,
)
from fineprune.pruning.levels import KeepFraction, Level, ScoreCut

Scope = Literal["local", "kind", "global"]
"""Among which weights a fraction is shared out: of each matrix, of a kind of matrices, of all."""

LevelT = TypeVar("LevelT", bound=Level)


@dataclass(frozen=True)
class Ranked:
    """One matrix as a rule sees it.

    Attributes:
        importance: array of shape `(out, in)`, float32.
        kind: what the matrix is within its block, such as `attention.self.query`.
    """

    importance: Tensor
    kind: str = ""


@dataclass(frozen=True)
class Settled:
    """What a rule decided for one matrix.

    Attributes:
        mask: boolean array of shape `(out, in)`: what is kept.
        level: what the decision amounts to for this matrix alone; `Rule.restore` repeats it.
        kept: how many weights that is.
        at_floor: whether a floor on kept weights, rather than the level, decided.
    """

    mask: Tensor
    level: Level
    kept: int
    at_floor: bool = False


class Rule(ABC, Generic[LevelT]):
    """Abstract: turns the importance of all weights into masks.

    Attributes:
        initial_level: the level at which training starts: it prunes nothing, or next to nothing.
        final_level: the level at which it ends.
    """

    @property
    @abstractmethod
    def initial_level(self) -> LevelT:
        """The level at which training starts."""

    @property
    @abstractmethod
    def final_level(self) -> LevelT:
        """The level at which training ends."""

    @abstractmethod
    def level(self, value: float) -> LevelT:
        """The level of this rule's type with the given number.

        Raises:
            ValueError: the number is out of range.
        """

    @abstractmethod
    def settle(self, matrices: Sequence[Ranked], level: LevelT) -> list[Settled]:
        """Decides what is kept of each matrix."""

    @abstractmethod
    def restore(self, importance: Tensor, level: Level) -> Tensor:
        """The mask of one matrix from its own level, for checkpoints that hold no masks."""

    @abstractmethod
    def overall_level(
        self, levels: Sequence[Level], kept: Sequence[int], sizes: Sequence[int]
    ) -> LevelT:
        """The inverse of `settle`: what the decisions for all matrices amount to.

        Args:
            levels: each matrix's own level.
            kept: how many weights each one keeps.
            sizes: how many it has.
        """


@dataclass(frozen=True)
class FractionRule(Rule[KeepFraction]):
    """Abstract: its level is the fraction that is kept, from 1 down to `keep`.

    Attributes:
        keep: fraction of the weights kept in the end.
    """

    keep: float

    @override
    @property
    def initial_level(self) -> KeepFraction:
        return KeepFraction(1.0)

    @override
    @property
    def final_level(self) -> KeepFraction:
        return KeepFraction(self.keep)

    @override
    def level(self, value: float) -> KeepFraction:
        return KeepFraction(value)


@final
@dataclass(frozen=True)
class Ranking(FractionRule):
    """Keeps a fraction of the weights, those that rank highest.

    Ties go to the weight that comes first, in row-major order within a matrix and in the model's
    order over matrices, so that a mask depends on nothing but its inputs.

    Attributes:
        scope: who competes: the weights of one matrix, of all matrices of one kind, or all.
        share_floor: where matrices compete, the least share of the density that each one keeps.
        initial_keep: fraction that the first cut leaves; fewer stay as training goes on.
    """

    scope: Scope = "local"
    share_floor: float = 0.0
    initial_keep: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.keep <= 1:
            raise ValueError(f"keep must be above 0 and at most 1, found {self.keep}")
        if self.scope not in get_args(Scope):
            expected = ", ".join(repr(scope) for scope in get_args(Scope))
            raise ValueError(f"scope must be one of {expected}; found {self.scope!r}")
        if not 0 <= self.share_floor <= 1:
            raise ValueError(f"share_floor must lie within 0 to 1, found {self.share_floor}")
        if not 0 < self.initial_keep <= 1:
            raise ValueError(
                f"initial_keep must be above 0 and at most 1, found {self.initial_keep}"
            )

    @override
    def settle(self, matrices: Sequence[Ranked], level: KeepFraction) -> list[Settled]:
        if self.scope == "local":
            return [self._alone(matrix.importance, level) for matrix in matrices]
        settled: dict[int, Settled] = {}
        for places in self._rivals(matrices):
            found = self._together([matrices[i].importance for i in places], level)
            settled |= dict(zip(places, found, strict=True))
        return [settled[i] for i in range(len(matrices))]

    @override
    def restore(self, importance: Tensor, level: Level) -> Tensor:
        return keep_largest(importance, KeepFraction(level.value).count(importance.numel()))

    @override
    def overall_level(
        self, levels: Sequence[Level], kept: Sequence[int], sizes: Sequence[int]
    ) -> KeepFraction:
        if self.scope == "local":
            return KeepFraction(levels[0].value)
        return KeepFraction.of(sum(kept), sum(sizes))

    def _rivals(self, matrices: Sequence[Ranked]) -> list[list[int]]:
        """The matrices that share a budget, by their places."""
        groups: dict[str, list[int]] = defaultdict(list)
        for place, matrix in enumerate(matrices):
            groups[matrix.kind if self.scope == "kind" else ""].append(place)
        return list(groups.values())

    def _alone(self, importance: Tensor, level: KeepFraction) -> Settled:
        count = level.count(importance.numel())
        return Settled(keep_largest(importance, count), level, count)

    def _together(self, importances: Sequence[Tensor], level: KeepFraction) -> list[Settled]:
        sizes = [importance.numel() for importance in importances]
        floors = [int(self.share_floor * level.fraction * size) for size in sizes]
        masks, held = keep_with_floors(importances, level.count(sum(sizes)), floors)
        return [
            Settled(mask, KeepFraction.of(kept, size), kept, at_floor=place in held)
            for place, (mask, kept, size) in enumerate(
                zip(masks, counts_of(masks), sizes, strict=True)
            )
        ]


def _unchanged(importance: Tensor) -> Tensor:
    return importance


@final
@dataclass(frozen=True)
class Cutting(Rule[ScoreCut]):
    """Keeps every weight whose importance, squashed, is above a cut.

    Attributes:
        cut: what a squashed importance must exceed in the end.
        initial_cut: the same at the start.
        floor: fraction of each matrix that stays whatever its scores; the original used 0.005
            (and kept one weight more than that).
        squash: what the cut is compared with, a monotone function of the importance.
    """

    cut: float
    initial_cut: float
    floor: float = 0.005
    squash: Callable[[Tensor], Tensor] = _unchanged

    def __post_init__(self) -> None:
        if not math.isfinite(self.cut):
            raise ValueError(f"cut must be a finite number, found {self.cut}")
        if not 0 <= self.floor < 1:
            raise ValueError(f"floor must be at least 0 and below 1, found {self.floor}")

    @override
    @property
    def initial_level(self) -> ScoreCut:
        return ScoreCut(self.initial_cut)

    @override
    @property
    def final_level(self) -> ScoreCut:
        return ScoreCut(self.cut)

    @override
    def level(self, value: float) -> ScoreCut:
        return ScoreCut(value)

    def least_count(self, size: int) -> int:
        """How many weights of a matrix of `size` the floor keeps."""
        return int(self.floor * size) + 1 if self.floor else 0

    @override
    def settle(self, matrices: Sequence[Ranked], level: ScoreCut) -> list[Settled]:
        above = [self.squash(matrix.importance) > level.cut for matrix in matrices]
        return [
            self._lifted(matrix.importance, mask, kept, level)
            for matrix, mask, kept in zip(matrices, above, counts_of(above), strict=True)
        ]

    @override
    def restore(self, importance: Tensor, level: Level) -> Tensor:
        (settled,) = self.settle([Ranked(importance)], ScoreCut(level.value))
        return settled.mask

    @override
    def overall_level(
        self, levels: Sequence[Level], kept: Sequence[int], sizes: Sequence[int]
    ) -> ScoreCut:
        return ScoreCut(levels[0].value)

    def _lifted(self, importance: Tensor, mask: Tensor, kept: int, level: ScoreCut) -> Settled:
        """The mask, or the floor's where that keeps more."""
        least = self.least_count(importance.numel())
        if kept >= least:
            return Settled(mask, level, kept)
        # Ranked by the importance itself: a sigmoid saturates and would make ties of them.
        return Settled(keep_largest(importance, least), level, least, at_floor=True)


@dataclass(frozen=True, kw_only=True)
class Gates(Rule[LevelT]):
    """Abstract: keeps every weight whose expected gate is above 0, once all gates are shifted.

    Attributes:
        closed: the score up to which an expected gate is 0.
    """

    closed: float

    @abstractmethod
    def shift(self, importances: Sequence[Tensor], level: LevelT) -> float:
        """By how much all scores are lowered before gates are made of them."""

    @override
    def settle(self, matrices: Sequence[Ranked], level: LevelT) -> list[Settled]:
        importances = [matrix.importance for matrix in matrices]
        own = ScoreCut(self.shift(importances, level))
        masks = [self.restore(importance, own) for importance in importances]
        return [
            Settled(mask, own, kept) for mask, kept in zip(masks, counts_of(masks), strict=True)
        ]

    @override
    def restore(self, importance: Tensor, level: Level) -> Tensor:
        # Not the shifted score against `closed`: rounded, it may fall on the wrong side.
        return importance > level.value + self.closed


@final
@dataclass(frozen=True, kw_only=True)
class OpenGates(Gates[ScoreCut]):
    """Takes gates as they are: the scores are their own level."""

    @override
    @property
    def initial_level(self) -> ScoreCut:
        return ScoreCut(0.0)

    @override
    @property
    def final_level(self) -> ScoreCut:
        return ScoreCut(0.0)

    @override
    def level(self, value: float) -> ScoreCut:
        return ScoreCut(0.0)

    @override
    def overall_level(
        self, levels: Sequence[Level], kept: Sequence[int], sizes: Sequence[int]
    ) -> ScoreCut:
        return ScoreCut(0.0)

    @override
    def shift(self, importances: Sequence[Tensor], level: ScoreCut) -> float:
        return 0.0


@final
@dataclass(frozen=True, kw_only=True)
class ShiftedGates(FractionRule, Gates[KeepFraction]):
    """Shifts all gates together until as many are open as are to be kept.

    The shift sets in with the square of the way to the final fraction: at first the penalty has to
    close gates, and in the end the shift makes the density exact.
    """

    def __post_init__(self) -> None:
        if not 0 < self.keep < 1:
            raise ValueError(f"keep must be above 0 and below 1, found {self.keep}")

    @override
    def overall_level(
        self, levels: Sequence[Level], kept: Sequence[int], sizes: Sequence[int]
    ) -> KeepFraction:
        return KeepFraction.of(sum(kept), sum(sizes))

    @override
    def shift(self, importances: Sequence[Tensor], level: KeepFraction) -> float:
        way = (1 - level.fraction) / (1 - self.keep)
        if way <= 0:
            return 0.0
        count = level.count(sum(importance.numel() for importance in importances))
        highest_pruned = float(kth_largest(importances, count + 1))
        return way**2 * (highest_pruned - self.closed)
