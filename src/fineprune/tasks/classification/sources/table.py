"""What every reader returns: the columns that were asked for, and where each row came from."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from fineprune.errors import DataError
from fineprune.tasks.classification.sources.broken import OnBroken
from fineprune.tasks.classification.sources.source import Source
from fineprune.wording import listed

Unit = Literal["line", "row"]


@dataclass(frozen=True)
class Table:
    """Raw values of one source.

    Attributes:
        source: name of the source in messages.
        found: names of all columns that the source has.
        columns: of those that were asked for and are there, the values; all of one length.
        unit: what `numbers` count: lines of a text file, or rows.
        numbers: place of each row in the source, from 1 on.
        class_names: the names of the classes, of columns that declare them.
    """

    source: str
    found: tuple[str, ...]
    columns: Mapping[str, Sequence[object]]
    unit: Unit
    numbers: Sequence[int]
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.numbers)

    def column(self, name: str) -> Sequence[object]:
        """The values of one column.

        Raises:
            DataError: there is no such column.
        """
        if name not in self.columns:
            raise DataError(
                f"{self.source} has no column {name!r}, only {listed(self.found)}: "
                "name the columns under task.text and task.label, "
                "or give names to a file that has none with `columns`"
            )
        return self.columns[name]


Reader = Callable[[Source, Collection[str], OnBroken], Table]
"""Reads a source: the columns to keep where they exist, and what to do with a broken row."""
