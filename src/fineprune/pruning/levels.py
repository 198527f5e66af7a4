"""Levels: what turns scores into a mask. Two types, because their numbers mean different things."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Self, final

from typing_extensions import override


class Level(ABC):
    """Abstract: a number together with what it means."""

    @property
    @abstractmethod
    def value(self) -> float:
        """The bare number, as a schedule moves it and a checkpoint stores it."""


@final
@dataclass(frozen=True)
class KeepFraction(Level):
    """Keep this fraction of the weights, those of highest importance.

    Raises:
        ValueError: the fraction is not within 0 to 1.
    """

    fraction: float

    def __post_init__(self) -> None:
        if not 0 <= self.fraction <= 1:
            raise ValueError(f"a kept fraction lies within 0 to 1, found {self.fraction}")

    @override
    @property
    def value(self) -> float:
        return self.fraction

    @classmethod
    def of(cls, count: int, size: int) -> Self:
        """The fraction whose `count` of `size` is exactly `count`."""
        # Half a weight more than the count: rounding down cannot fall on the wrong side.
        return cls(min((count + 0.5) / size, 1.0))

    def count(self, size: int) -> int:
        """How many of `size` weights are kept, rounded down as the original did."""
        return int(self.fraction * size)


@final
@dataclass(frozen=True)
class ScoreCut(Level):
    """Keep every weight whose importance is above this cut.

    Raises:
        ValueError: the cut is not a number: nothing is above that.
    """

    cut: float

    def __post_init__(self) -> None:
        if math.isnan(self.cut):
            raise ValueError("a score cut must be a number, found nan")

    @override
    @property
    def value(self) -> float:
        return self.cut
