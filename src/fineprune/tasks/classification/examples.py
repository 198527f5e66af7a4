"""From tables of raw values to checked examples."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fineprune.errors import DataError
from fineprune.tasks.classification.labels import (
    UnusableValueError,
    label_name,
    ordered,
)
from fineprune.tasks.classification.sources import BrokenRow, OnBroken, Table
from fineprune.tasks.classification.targets import Target
from fineprune.wording import quoted

Row: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True)
class Columns:
    """Which columns hold what.

    Attributes:
        text: the column, or the two columns, that hold the text.
        label: the column that holds the label.
    """

    text: tuple[str, ...]
    label: str

    @property
    def all(self) -> frozenset[str]:
        """All that have to be read."""
        return frozenset({*self.text, self.label})


@dataclass(frozen=True)
class Examples:
    """Checked examples of one set.

    Attributes:
        source: name of the set in messages: its sources.
        texts: the texts of all examples; two such lists where the task is about pairs.
        labels: encoded, of shape `(examples,)`; none where the set does not tell them.
    """

    source: str
    texts: tuple[Sequence[str], ...]
    labels: NDArray[Any] | None

    def __len__(self) -> int:
        return len(self.texts[0])

    @property
    def notes(self) -> tuple[str, ...]:
        """What looks wrong, though it can be used."""
        notes = []
        together = ("".join(texts) for texts in zip(*self.texts, strict=True))
        blank = sum(not text.strip() for text in together)
        if blank:
            notes.append(f"{self.source}: {blank} examples have no text but blanks")
        if self.labels is None:
            notes.append(f"{self.source}: labels are not told, so it can be predicted, not scored")
        return tuple(notes)


def class_names(tables: Iterable[Table], label: str) -> tuple[str, ...]:
    """The classes as all tables declare them; else those that occur, ordered.

    Raises:
        DataError: there is no such column.
    """
    names: set[str] = set()
    declared: set[tuple[str, ...] | None] = set()
    for table in tables:
        declared.add(table.class_names.get(label))
        for value in table.column(label):
            with suppress(UnusableValueError):  # told when the row is checked
                names.add(label_name(value))
    common = declared.pop() if len(declared) == 1 else None
    return ordered(names) if common is None else common


def labelled(
    tables: Sequence[Table], columns: Columns, target: Target, on_broken: OnBroken
) -> Examples:
    """Examples whose labels have to be there.

    Raises:
        DataError: a column is missing, or no row can be used.
    """

    def convert(row: Row) -> Row:
        return (*_checked_texts(columns.text, row[:-1]), target.encode(row[-1]))

    rows = _usable(tables, (*columns.text, columns.label), convert, on_broken)
    *texts, labels = _transposed(rows, tables)
    return Examples(_source(tables), tuple(texts), np.array(labels, dtype=target.dtype))


def perhaps_labelled(
    tables: Sequence[Table], columns: Columns, target: Target, on_broken: OnBroken
) -> Examples:
    """Examples of a test set, whose labels may all be missing or hidden, as those of GLUE are.

    Raises:
        DataError: a column of text is missing, or no row can be used.
    """
    values = [value for table in tables for value in table.columns.get(columns.label, ())]
    if not all(target.hides(value) for value in values):
        return labelled(tables, columns, target, on_broken)
    rows = _usable(tables, columns.text, partial(_checked_texts, columns.text), on_broken)
    return Examples(_source(tables), tuple(_transposed(rows, tables)), labels=None)


def _usable(
    tables: Iterable[Table],
    names: Sequence[str],
    convert: Callable[[Row], Row],
    on_broken: OnBroken,
) -> Iterator[Row]:
    """What `convert` makes of the values in the named columns, for each row that it accepts."""
    for table in tables:
        rows = zip(*(table.column(name) for name in names), strict=True)
        for number, row in zip(table.numbers, rows, strict=True):
            try:
                yield convert(row)
            except UnusableValueError as reason:
                on_broken(BrokenRow(table.source, f"{table.unit} {number}", str(reason)))


def _checked_texts(names: Sequence[str], values: Row) -> Row:
    return tuple(_checked_text(name, value) for name, value in zip(names, values, strict=True))


def _checked_text(name: str, value: object) -> str:
    if not isinstance(value, str):
        found = "missing" if value is None else f"{quoted(value)}, of type {type(value).__name__}"
        raise UnusableValueError(f"the text in column {name!r} is {found}")
    try:
        value.encode()  # JSON can hold half of a surrogate pair, tokenizers cannot
    except UnicodeEncodeError as error:
        raise UnusableValueError(f"the text in column {name!r} is not Unicode: {error}") from error
    return value


def _transposed(rows: Iterable[Row], tables: Sequence[Table]) -> list[tuple[Any, ...]]:
    columns = list(zip(*rows, strict=True))
    if not columns:
        raise DataError(f"{_source(tables)}: every row is broken, none can be used")
    return columns


def _source(tables: Iterable[Table]) -> str:
    return ", ".join(table.source for table in tables)
