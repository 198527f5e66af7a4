"""From tables of raw values to checked examples."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, Final, TypeAlias

import pyarrow
from numpy.typing import NDArray

from fineprune.errors import DataError
from fineprune.tasks.classification.labels import UnusableValueError
from fineprune.tasks.classification.targets import Target
from fineprune.tasks.data import BrokenRow, OnBroken, Table
from fineprune.wording import quoted

Row: TypeAlias = tuple[Any, ...]

_ROWS: Final = 10_000  # as Python objects at a time
_TEXT: Final = pyarrow.large_string()  # more than 2 GiB in a chunk are no error
_ADVICE: Final = (
    ": name the columns under task.text and task.label, "
    "or give names to a file that has none with `columns`"
)


@dataclass(frozen=True)
class Columns:
    """Which columns hold what.

    Attributes:
        text: the column, or the two columns, that hold the text.
        labels: the column that holds the label, or several, one a label, of 0 and 1.
    """

    text: tuple[str, ...]
    labels: tuple[str, ...]

    @property
    def label(self) -> str:
        """The column that holds the label, where several have been joined to one."""
        return ", ".join(self.labels)

    @property
    def all(self) -> frozenset[str]:
        """All that have to be read."""
        return frozenset({*self.text, *self.labels})


@dataclass(frozen=True)
class Examples:
    """Checked examples of one set.

    Attributes:
        source: name of the set in messages: its sources.
        texts: the texts of all examples, in Arrow; two columns where the task is about pairs.
        labels: encoded, of shape `(examples,)`, or `(examples, labels)` where a text has several;
            none if the set is unlabelled.
    """

    source: str
    texts: tuple[pyarrow.ChunkedArray, ...]
    labels: NDArray[Any] | None

    def __len__(self) -> int:
        return len(self.texts[0])

    @property
    def notes(self) -> tuple[str, ...]:
        """What looks wrong, though it can be used."""
        notes = []
        rows = (row for batch in batches_of(self.texts) for row in zip(*batch, strict=True))
        blank = sum(not "".join(row).strip() for row in rows)
        if blank:
            notes.append(f"{self.source}: {blank} examples are blank")
        if self.labels is None:
            notes.append(f"{self.source}: unlabelled: can be predicted, not scored")
        return tuple(notes)


def batches_of(
    texts: tuple[pyarrow.ChunkedArray, ...], size: int = _ROWS
) -> Iterator[tuple[list[str], ...]]:
    """Columns of texts as Python objects, `size` rows at a time."""
    for start in range(0, len(texts[0]), size):
        yield tuple(column.slice(start, size).to_pylist() for column in texts)


def labelled(
    tables: Sequence[Table], columns: Columns, target: Target, on_broken: OnBroken
) -> Examples:
    """Examples of a set that has to have labels.

    Raises:
        DataError: a column is missing, or no row can be used.
    """

    def convert(row: Row) -> Row:
        return (*_checked_texts(columns.text, row[:-1]), target.encode(row[-1]))

    types = [*(_TEXT for _ in columns.text), target.arrow_type]
    *texts, labels = _usable(tables, (*columns.text, columns.label), types, convert, on_broken)
    return Examples(_source(tables), tuple(texts), target.to_array(labels))


def perhaps_labelled(
    tables: Sequence[Table], columns: Columns, target: Target, on_broken: OnBroken
) -> Examples:
    """Examples of a test set, whose labels may all be missing or hidden, as those of GLUE are.

    Raises:
        DataError: a column of text is missing, or no row can be used.
    """
    if not all(_hides_labels(table, columns.label, target) for table in tables):
        return labelled(tables, columns, target, on_broken)
    convert = partial(_checked_texts, columns.text)
    texts = _usable(tables, columns.text, [_TEXT for _ in columns.text], convert, on_broken)
    return Examples(_source(tables), tuple(texts), labels=None)


def _hides_labels(table: Table, label: str, target: Target) -> bool:
    return label not in table.columns or all(map(target.hides, table.column(label)))


def _usable(
    tables: Sequence[Table],
    names: Sequence[str],
    types: Sequence[pyarrow.DataType],
    convert: Callable[[Row], Row],
    on_broken: OnBroken,
) -> list[pyarrow.ChunkedArray]:
    """What `convert` makes of the values in the named columns, of all rows that it accepts."""
    broken: list[BrokenRow] = []

    def remember(row: BrokenRow) -> None:
        on_broken(row)
        broken.append(row)

    rows = _converted(tables, names, convert, remember)
    batches = []
    while batch := list(islice(rows, _ROWS)):
        columns = zip(types, zip(*batch, strict=True), strict=True)
        batches.append([pyarrow.array(values, type_) for type_, values in columns])
    if not batches:
        raise DataError(
            f"{_source(tables)}: no row can be used; the first, {broken[0].place}: "
            f"{broken[0].reason}"
        )
    return [pyarrow.chunked_array(chunks) for chunks in zip(*batches, strict=True)]


def _converted(
    tables: Sequence[Table],
    names: Sequence[str],
    convert: Callable[[Row], Row],
    on_broken: OnBroken,
) -> Iterator[Row]:
    for table in tables:
        rows = zip(*(table.column(name, _ADVICE) for name in names), strict=True)
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


def _source(tables: Sequence[Table]) -> str:
    return ", ".join(table.source for table in tables)
