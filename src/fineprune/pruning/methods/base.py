"""What a pruning method is."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, Self

import torch
from torch import Tensor

from fineprune.core.control import PenaltyController
from fineprune.core.masked_weight import kept_part, masked_weight
from fineprune.core.schedules import Schedule, constant, cubic
from fineprune.pruning.levels import Level
from fineprune.pruning.methods.rules import LevelT, Ranked, Rule, Settled


@dataclass(frozen=True)
class Matrix:
    """All that a method may judge a weight matrix by.

    Attributes:
        weight: array of shape `(out, in)`.
        scores: array of the same shape, float32; None if the method learns none.
        mask: boolean array of the same shape: what is kept now.
        second_moment: running mean of the squared gradient, of the same shape; None if the method
            does not ask for it.
        kind: what the matrix is within its block, such as `attention.self.query`.
    """

    weight: Tensor
    scores: Tensor | None
    mask: Tensor
    second_moment: Tensor | None = None
    kind: str = ""


RANKINGS = 100
"""How many times methods that rank weights do so while the level moves.

Ranking millions of weights costs a tenth of a training step, and what ranks highest changes slowly.
"""


class Method(ABC, Generic[LevelT]):
    """How scores start, what ranks weights, which rule makes masks, and which penalty they pay.

    A method holds settings only and never changes; scores, masks and levels live in each `Mask`.

    Attributes:
        name: the name that recipes and checkpoints use.
        learning_rate_ratio: how many times the rate of dense fine-tuning the weights that are left
            train best at; what a recipe uses that names no rate.
        learns_scores: whether each weight has a score that training moves.
        prunes_in_place: whether pruned weights are set to zero after each step, for good, so that
            the model computes with its weights as they are. Else they keep their value behind the
            mask, and can come back.
        scales_weights: whether what is kept may be multiplied by a number other than 1.
        needs_second_moment: whether `importance` reads `Matrix.second_moment`.
    """

    name: ClassVar[str]
    learning_rate_ratio: ClassVar[float] = 1.0
    learns_scores: ClassVar[bool] = False
    prunes_in_place: ClassVar[bool] = False
    scales_weights: ClassVar[bool] = False
    needs_second_moment: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def at_threshold(cls, threshold: float) -> Self:
        """The method that ends at what the original code called threshold, for its checkpoints.

        Raises:
            ValueError: the threshold is out of range, or the original had no such method.
        """

    @property
    @abstractmethod
    def rule(self) -> Rule[LevelT]:
        """How a level and the importance of all weights become masks."""

    @property
    def updates(self) -> int | None:
        """How many times masks are made anew while the level moves; None for at every step.

        Methods whose weights can come back go on at that pace to the end of the run.
        """
        return None

    @abstractmethod
    def importance(self, matrix: Matrix) -> Tensor:
        """What weights are ranked by: float32 array of shape `(out, in)`, without gradient."""

    @property
    def initial_level(self) -> LevelT:
        """The level at which training starts: it prunes nothing, or next to nothing."""
        return self.rule.initial_level

    @property
    def final_level(self) -> LevelT:
        """The level at which training ends."""
        return self.rule.final_level

    def level(self, value: float) -> LevelT:
        """The level of this method's type with the given number.

        Raises:
            ValueError: the number is out of that type's range.
        """
        return self.rule.level(value)

    @property
    def initial_matrix_level(self) -> Level:
        """The level of a single matrix at which training starts."""
        return self.initial_level

    def matrix_level(self, value: float) -> Level:
        """The level of a single matrix with the given number, as a checkpoint stores it.

        Raises:
            ValueError: the number is out of that type's range.
        """
        return self.level(value)

    def settle(self, matrices: Sequence[Matrix], level: LevelT) -> list[Settled]:
        """What is kept of each matrix at an overall level."""
        ranked = [Ranked(self.importance(matrix), matrix.kind) for matrix in matrices]
        return self.rule.settle(ranked, level)

    def restore(self, matrix: Matrix, level: Level) -> Tensor:
        """The mask of one matrix from its own level, for checkpoints that hold no masks."""
        return self.rule.restore(self.importance(matrix), level)

    def require_fit(self, weights: Sequence[Tensor]) -> None:
        """Checks that the method can begin with these weights.

        Args:
            weights: of all matrices that it is attached to, each of shape `(out, in)`.

        Raises:
            ValueError: it cannot.
        """

    def initial_scores(self, weight: Tensor) -> Tensor | None:
        """Scores to start from, float32 of the weight's shape; None if nothing is learned."""
        return None

    def draw(
        self, scores: Tensor | None, level: Level, generator: torch.Generator
    ) -> Tensor | None:
        """What a training step draws at random for one matrix; None if nothing is."""
        return None

    def masked_weight(
        self,
        weight: Tensor,
        scores: Tensor | None,
        mask: Tensor,
        level: Level,
        drawn: Tensor | None = None,
    ) -> Tensor:
        """The weight a layer computes with, shape `(out, in)`, with this method's gradients.

        Args:
            weight: array of shape `(out, in)`.
            scores: array of the same shape; None if the method learns none.
            mask: boolean array of the same shape.
            level: the matrix's own level.
            drawn: what `draw` gave for this training step; None in eval mode.
        """
        return kept_part(weight, mask) if scores is None else masked_weight(weight, scores, mask)

    def multiplier(self, scores: Tensor | None, mask: Tensor, level: Level) -> Tensor:
        """What multiplies a weight in eval mode: the boolean mask, or gates from 0 to 1."""
        return mask

    def penalty(self, scores: Sequence[Tensor]) -> Tensor | None:
        """What the penalty's weight lambda multiplies in the loss: a scalar, or None."""
        return None

    def level_schedule(self, *, begin: int, end: int) -> Schedule:
        """The number of the level at each step, moving between two steps."""
        return cubic(self.initial_level.value, self.final_level.value, begin=begin, end=end)

    def penalty_schedule(self, *, begin: int, end: int) -> Schedule:
        """The penalty's weight lambda at each step, moving between two steps."""
        return constant(0.0)

    @property
    def controller(self) -> PenaltyController | None:
        """What sets the penalty's weight in place of a schedule; None where nothing does."""
        return None


def full_scores(weight: Tensor, value: float) -> Tensor:
    """Equal scores for a weight: float32, whatever the weight's precision.

    bfloat16 would lose an update of 1e-2, the usual learning rate of scores, above a score of 2.
    """
    return torch.full_like(weight, value, dtype=torch.float32)


def scores_of(matrix: Matrix) -> Tensor:
    """The scores of a method that learns them, without gradient."""
    if matrix.scores is None:
        raise TypeError("this method learns scores, and was given none")
    return matrix.scores.detach()


def require_one_of(name: str, *, keep: float | None, final_lambda: float | None) -> None:
    """Checks that one of the two was given, and that lambda is a possible one.

    Raises:
        ValueError: none was, both were, or lambda is negative.
    """
    if (keep is None) == (final_lambda is None):
        found = "neither" if keep is None else "both"
        raise ValueError(
            f"{name} takes exactly one of keep (the fraction of weights to keep) and final_lambda "
            f"(the weight of the paper's penalty); found {found}"
        )
    if final_lambda is not None and final_lambda < 0:
        raise ValueError(f"final_lambda must not be negative, found {final_lambda}")
