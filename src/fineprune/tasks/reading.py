"""What a task reads: rows of its sources, split by split, and what there is to say of them."""

from collections.abc import Callable, Collection, Iterable
from typing import Final, Literal, TypeVar, final

from fineprune.errors import DataError
from fineprune.tasks.base import Split
from fineprune.tasks.data import (
    BrokenRow,
    OnBroken,
    Sources,
    Splits,
    Table,
    notes_on_dropped,
    read,
    refuse,
)

Row = TypeVar("Row")
Set = TypeVar("Set")


@final
class Reading:
    """Reads sources, and keeps notes and broken rows.

    Args:
        columns: to read, where a source has them.
        broken_rows: whether a broken row is refused, or left out and told of.
    """

    def __init__(self, columns: Collection[str], broken_rows: Literal["refuse", "drop"]) -> None:
        self._columns = columns
        self._broken: list[BrokenRow] = []
        self._notes: list[str] = []
        self.on_broken: Final[OnBroken] = refuse if broken_rows == "refuse" else self._broken.append

    def tables(self, sources: Sources) -> list[Table]:
        """One table a source.

        Raises:
            DataError: one cannot be read.
        """
        tables = [read(source, self._columns, self.on_broken) for source in sources]
        self._notes += [note for table in tables for note in table.notes]
        return tables

    def rows(
        self, tables: Iterable[Table], rows_of: Callable[[Table], Iterable[Row]]
    ) -> tuple[str, list[Row]]:
        """What one set is called, and its rows.

        Args:
            tables: of the set, from `tables`.
            rows_of: the rows of one table; it gives broken ones to `on_broken`.

        Raises:
            DataError: no row can be used.
        """
        tables = list(tables)
        source = ", ".join(table.source for table in tables)
        rows = [row for table in tables for row in rows_of(table)]
        if not rows:
            first = self._broken[0]
            raise DataError(
                f"{source}: no row can be used; the first, {first.place}: {first.reason}"
            )
        return source, rows

    def notes(self) -> list[str]:
        """What looks wrong in the files, each once, and which rows were left out."""
        return [*dict.fromkeys(self._notes), *notes_on_dropped(self._broken)]


def evaluation_of(
    splits: Splits, only: Split | None, read_set: Callable[[Sources], Set]
) -> dict[Split, dict[str, Set]]:
    """The sets to evaluate on, by split and name.

    Args:
        splits: the sources.
        only: the one split to read; None for both.
        read_set: reads one set.
    """
    named = {"validation": splits.validation, "test": splits.test}
    found: dict[Split, dict[str, Set]] = {}
    for split in ("validation", "test"):
        if only in (None, split):
            found[split] = {name: read_set(one) for name, one in named[split].items()}
    return found
