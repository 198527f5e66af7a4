"""Rows that cannot be used, and what is done about them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from fineprune.errors import DataError


@dataclass(frozen=True)
class BrokenRow:
    """One row that cannot be used.

    Attributes:
        source: name of the source that it stands in.
        place: where in the source, as `"line 3"`.
        reason: what is wrong with it.
    """

    source: str
    place: str
    reason: str


OnBroken = Callable[[BrokenRow], None]
"""Called with each broken row; where it returns, the row is left out."""


def refuse(row: BrokenRow) -> None:
    """Stops at the row.

    Raises:
        DataError: always.
    """
    raise DataError(
        f"{row.source}, {row.place}: {row.reason}; "
        "correct the row, or leave out such rows with task.broken_rows=drop"
    )


def notes_on_dropped(rows: Iterable[BrokenRow]) -> tuple[str, ...]:
    """One line for each source that lost rows: how many, and the first with its reason."""
    notes = []
    for source, group in groupby(sorted(rows, key=attrgetter("source")), attrgetter("source")):
        dropped = list(group)
        first = dropped[0]
        notes.append(
            f"{source}: broken rows left out: {len(dropped)}, "
            f"the first at {first.place}: {first.reason}"
        )
    return tuple(notes)
