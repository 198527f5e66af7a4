"""What a pruning method is."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Self

from torch import Tensor

from fineprune.core.masked_weight import masked_weight
from fineprune.core.schedules import Schedule, constant, cubic
from fineprune.pruning.levels import Level


class Method(ABC):
    """How scores start, how a mask is made of them, and which penalty belongs to it.

    A method holds settings only and never changes; scores and levels live in each `Mask`.

    Attributes:
        name: the name that recipes and checkpoints use.
    """

    name: ClassVar[str]

    @classmethod
    @abstractmethod
    def at_threshold(cls, threshold: float) -> Self:
        """The method that ends at what the original code called threshold, for its checkpoints.

        Raises:
            ValueError: the threshold is out of range.
        """

    @property
    @abstractmethod
    def initial_level(self) -> Level:
        """The level at which training starts: it prunes nothing, or next to nothing."""

    @property
    @abstractmethod
    def final_level(self) -> Level:
        """The level at which training ends."""

    @abstractmethod
    def level(self, value: float) -> Level:
        """The level of this method's type with the given number.

        Raises:
            ValueError: the number is out of that type's range.
        """

    def levels(
        self, weights: Sequence[Tensor], scores: Sequence[Tensor | None], level: Level
    ) -> list[Level]:
        """What an overall level means for each matrix; the same for all, unless they compete.

        Args:
            weights: arrays of shape `(out, in)`, one a matrix.
            scores: their scores, in the same order.
            level: a level of this method's type.
        """
        return [level] * len(weights)

    def overall_level(self, levels: Sequence[Level], sizes: Sequence[int]) -> Level:
        """The inverse of `levels`: what the levels of all matrices amount to.

        Args:
            levels: each matrix's level.
            sizes: weights of each matrix, in the same order.
        """
        return levels[0]

    @abstractmethod
    def initial_scores(self, weight: Tensor) -> Tensor | None:
        """Scores to start from, float32 of the weight's shape; None if nothing is learned."""

    @abstractmethod
    def mask(self, weight: Tensor, scores: Tensor | None, level: Level) -> Tensor:
        """What multiplies a weight in eval mode.

        Args:
            weight: array of shape `(out, in)`.
            scores: array of the same shape; None if the method learns none.
            level: this matrix's level.

        Returns:
            Array of shape `(out, in)`: boolean, or gates from 0 to 1.
        """

    def at_floor(self, weight: Tensor, scores: Tensor | None, level: Level) -> bool:
        """Whether a floor on kept weights, rather than the level, decides this matrix's mask."""
        return False

    def masked_weight(
        self, weight: Tensor, scores: Tensor | None, level: Level, *, training: bool
    ) -> Tensor:
        """The weight a layer computes with, shape `(out, in)`, with this method's gradients."""
        mask = self.mask(weight, scores, level)
        return weight * mask if scores is None else masked_weight(weight, scores, mask)

    def penalty(self, scores: Sequence[Tensor]) -> Tensor | None:
        """What the penalty's weight lambda multiplies in the loss: a scalar, or None."""
        return None

    def level_schedule(self, *, begin: int, end: int) -> Schedule:
        """The number of the level at each step, moving between two steps."""
        return cubic(self.initial_level.value, self.final_level.value, begin=begin, end=end)

    def penalty_schedule(self, *, begin: int, end: int) -> Schedule:
        """The penalty's weight lambda at each step, moving between two steps."""
        return constant(0.0)
