"""What every reader returns: columns in Arrow, and where each row came from."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import attrgetter
from types import NoneType
from typing import Final, Literal, TypeAlias

import pyarrow

from fineprune.errors import DataError
from fineprune.wording import listed

Unit = Literal["line", "row"]

Column: TypeAlias = pyarrow.ChunkedArray | Sequence[object]
"""Values of one column. Only JSON has columns of several types; Arrow does not, and these stay
lists, so that the row with the odd one out can be named."""

_ARROW_TYPES: Final[Mapping[type, pyarrow.DataType]] = {
    str: pyarrow.large_string(),  # a chunk may hold more than 2 GiB
    int: pyarrow.int64(),
    float: pyarrow.float64(),
    bool: pyarrow.bool_(),
}
_BATCH: Final = 10_000  # values as Python objects at a time


def as_column(values: Sequence[object]) -> Column:
    """The values in Arrow, where that holds exactly these and not others like them."""
    # Arrow's own inference would turn [1, 2.5] into floats, and so rename a class.
    kinds = {type(value) for value in values} - {NoneType}
    if len(kinds) == 1 and (arrow_type := _ARROW_TYPES.get(kinds.pop())):
        # Halves of surrogate pairs and large integers are Python's alone.
        with suppress(UnicodeEncodeError, OverflowError):
            return pyarrow.chunked_array([values], arrow_type)
    return values


@dataclass(frozen=True)
class Table:
    """Raw values of one source.

    Attributes:
        source: name of the source in messages.
        found: names of all columns that the source has.
        columns: those that were asked for and exist; all of one length.
        unit: what `numbers` count: lines of a text file, or rows.
        numbers: place of each row in the source, counted from 1.
        class_names: the names of the classes, of columns that declare them.
        notes: what looks wrong, one line each.
    """

    source: str
    found: tuple[str, ...]
    columns: Mapping[str, Column]
    unit: Unit
    numbers: Sequence[int]
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.numbers)

    def only(self, rows: Sequence[int]) -> "Table":
        """Some of the rows, each by its place in the table."""
        columns = {
            name: values.take(pyarrow.array(rows, pyarrow.int64()))
            if isinstance(values, pyarrow.ChunkedArray)
            else [values[row] for row in rows]
            for name, values in self.columns.items()
        }
        return replace(self, columns=columns, numbers=[self.numbers[row] for row in rows])

    def column(self, name: str, advice: str = "") -> Iterator[object]:
        """The values of one column as Python objects, some at a time.

        Args:
            name: of the column.
            advice: what to do if there is none, for the message.

        Raises:
            DataError: there is no such column.
        """
        if name not in self.columns:
            raise DataError(
                f"{self.source} has no column {name!r}, only {listed(self.found)}{advice}"
            )
        return _values(self.columns[name])


def _values(column: Column) -> Iterator[object]:
    for start in range(0, len(column), _BATCH):
        if isinstance(column, pyarrow.ChunkedArray):
            yield from column.slice(start, _BATCH).to_pylist()
        else:
            yield from column[start : start + _BATCH]


@dataclass(frozen=True)
class BrokenRow:
    """A row that cannot be used.

    Attributes:
        source: name of the source it is in.
        place: where in the source, such as `"line 3"`.
        reason: what is wrong with it.
    """

    source: str
    place: str
    reason: str


OnBroken: TypeAlias = Callable[[BrokenRow], None]
"""Called with each broken row; if it returns, the row is left out."""


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
    """One line for each source that lost rows: how many, and why the first of them."""
    notes = []
    for source, group in groupby(sorted(rows, key=attrgetter("source")), attrgetter("source")):
        dropped = list(group)
        first = dropped[0]
        notes.append(
            f"{source}: broken rows left out: {len(dropped)}, "
            f"the first at {first.place}: {first.reason}"
        )
    return tuple(notes)


def table_of_records(
    source: str,
    unit: Unit,
    names: Sequence[str],
    records: Iterable[tuple[int, Sequence[object]]],
    wanted: Collection[str],
    on_broken: OnBroken,
) -> Table:
    """Keeps the wanted columns of numbered records; a record of another length is broken."""
    positions = {name: i for i, name in enumerate(names) if name in wanted}
    columns: dict[str, list[object]] = {name: [] for name in positions}
    numbers = []
    for number, record in records:
        if len(record) != len(names):
            reason = f"{len(record)} fields where {len(names)} are expected ({listed(names)})"
            on_broken(BrokenRow(source, f"{unit} {number}", reason))
            continue
        numbers.append(number)
        for name, position in positions.items():
            columns[name].append(record[position])
    arrays = {name: as_column(values) for name, values in columns.items()}
    return Table(source, tuple(names), arrays, unit, numbers)
