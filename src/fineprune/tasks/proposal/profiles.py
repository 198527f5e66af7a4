"""What each column of a table holds."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from fineprune.tasks.classification.labels import is_missing
from fineprune.tasks.data import Table

Holds = Literal["text", "whole numbers", "numbers", "something else"]


@dataclass(frozen=True)
class Profile:
    """A column.

    Attributes:
        name: of it.
        values: all of them.
        place: which column it is, counted from 0.
    """

    name: str
    values: Sequence[Any]
    place: int

    @cached_property
    def present(self) -> list[Any]:
        """The values that are there."""
        return [value for value in self.values if not is_missing(value)]

    @property
    def missing(self) -> int:
        """How many are not."""
        return len(self.values) - len(self.present)

    @cached_property
    def holds(self) -> Holds:
        """What kind of values; numbers may be written as text."""
        if not self.present:
            return "something else"
        numbers = [_number(value) for value in self.present]
        if None not in numbers:
            whole = all(number.is_integer() for number in numbers if number is not None)
            return "whole numbers" if whole else "numbers"
        if all(isinstance(value, str | bool) for value in self.present):
            return "text"
        return "something else"

    @cached_property
    def counts(self) -> Counter[str]:
        """How often each value occurs."""
        return Counter(str(value) for value in self.present)

    @property
    def is_text(self) -> bool:
        """Whether it holds text that says something, and is not just a name."""
        return self.holds == "text" and not isinstance(self.present[0], bool)

    @cached_property
    def words(self) -> float:
        """Words of a value on average."""
        if not self.present:
            return 0.0
        return sum(words_in(str(value)) for value in self.present) / len(self.present)

    @property
    def variety(self) -> float:
        """Different values, as a share of all."""
        return len(self.counts) / max(len(self.present), 1)


def words_in(text: str) -> float:
    """How many words a text has, more or less; CJK has two letters a word."""
    apart = len(text.split())
    dense = sum("\u3040" <= letter <= "\u9fff" or "\uac00" <= letter <= "\ud7af" for letter in text)
    return max(apart, dense / 2)


def profiles_of(table: Table) -> list[Profile]:
    """The columns of a table, in its order."""
    return [
        Profile(name, list(table.column(name)), place)
        for place, name in enumerate(table.found)
        if name in table.columns
    ]


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (OverflowError, ValueError):
        return None
    return number if math.isfinite(number) else None
