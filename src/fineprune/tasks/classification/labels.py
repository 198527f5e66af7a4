"""Raw labels to names: what a class is called, which there are, and in which order."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from fineprune.tasks.data import Table, as_column
from fineprune.wording import quoted

_WHOLE_NUMBER: Final = re.compile(r"-?[0-9]+")
_WHOLE_FLOAT: Final = re.compile(r"(0|-?[1-9][0-9]*)\.0")
_INDICATORS: Final = {"0": False, "1": True, "false": False, "true": True}
_LARGEST: Final = 2**53  # from here on, different integers are the same float


class UnusableValueError(ValueError):
    """A value that cannot be used as a text or a label; its row is broken."""


def is_missing(value: object) -> bool:
    """Whether there is no value: null, empty text, or a float that is not a number."""
    return value is None or value == "" or value != value


def label_name(value: object) -> str:
    """The name of a class: text as it is, a whole number or truth value as JSON writes it.

    Raises:
        UnusableValueError: the value is missing, or of another type.
    """
    if is_missing(value):
        raise UnusableValueError("the label is missing")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    raise UnusableValueError(
        f"the label {quoted(value)} is of type {type(value).__name__}, "
        "and text or a whole number is expected"
    )


def label_names(value: object) -> frozenset[str]:
    """The names of a text's labels: a list of them, or a mapping from names to 0 or 1.

    Raises:
        UnusableValueError: the value is missing, or of another type.
    """
    if is_missing(value):
        raise UnusableValueError("the list of labels is missing; one without labels is []")
    if isinstance(value, Mapping):
        return frozenset(name for name, there in value.items() if _indicator(name, there))
    if isinstance(value, list | tuple):
        return frozenset(map(label_name, value))
    raise UnusableValueError(
        f"the labels are {quoted(value)}, of type {type(value).__name__}, and a list is expected; "
        "columns of 0 and 1 are named one by one, as a list, under task.label"
    )


def _indicator(name: str, value: object) -> bool:
    if is_missing(value):
        raise UnusableValueError(f"the label {quoted(name)} has no value; expected 0 or 1")
    found = _INDICATORS.get(without_fraction(str(value)).lower())
    if found is None:
        raise UnusableValueError(f"the label {quoted(name)} is {quoted(value)}; expected 0 or 1")
    return found


def without_fraction(name: str) -> str:
    """The name without `.0`, if that makes it an integer.

    >>> without_fraction("7.0"), without_fraction("7.5")
    ('7', '7.5')
    """
    return name.removesuffix(".0") if _WHOLE_FLOAT.fullmatch(name) else name


def with_whole_labels(table: Table, label: str, known: Collection[str] = ()) -> Table:
    """The table with its labels as whole numbers, if they are integers that became floats.

    pandas turns a column of integers into floats if a value is missing, and writes `1.0`. Labels
    are changed only if all of them are whole. Text may be meant literally (versions, say), so it
    is changed only if that makes names of known classes of it, or, while the classes are not
    known, if a value is missing: otherwise nothing would have turned integers into floats.

    Args:
        table: raw values.
        label: the column; the table may lack it.
        known: names of the classes; empty if they are to be learned from this table.
    """
    if label not in table.columns or label in table.class_names:
        return table
    values: list[Any] = list(table.column(label))
    present = [value for value in values if not is_missing(value)]
    if not present:
        return table
    if all(map(_is_whole, present)):
        return _with_labels(table, label, [None if is_missing(v) else int(v) for v in values])
    if not all(isinstance(v, str) and _WHOLE_FLOAT.fullmatch(v) for v in present):
        return table
    labels = [None if is_missing(v) else without_fraction(v) for v in values]
    fits = not {*known} & {*present} and bool({*known} & {*labels})
    if not (fits if known else len(present) < len(values)):
        return table
    note = f"{table.source}: labels such as {present[0]!r} are read as whole numbers"
    return replace(_with_labels(table, label, labels), notes=(*table.notes, note))


def _is_whole(value: object) -> bool:
    if isinstance(value, float):
        return value.is_integer() and abs(value) < _LARGEST
    return isinstance(value, int) and not isinstance(value, bool)


def _with_labels(table: Table, label: str, values: Sequence[object]) -> Table:
    return replace(table, columns={**table.columns, label: as_column(values)})


def with_joined_labels(table: Table, columns: Sequence[str], joined: str) -> Table:
    """The table with one column of labels in place of several, one a label.

    Its values are mappings from names to whatever stands there; none where nothing does.

    Args:
        table: raw values; it may lack all of the columns.
        columns: their names are those of the labels.
        joined: name of the new column.

    Raises:
        DataError: the table lacks some of the columns, and not all.
    """
    if not any(name in table.columns for name in columns):
        return table
    rows = zip(*(table.column(name) for name in columns), strict=True)
    values = [
        None if all(map(is_missing, row)) else dict(zip(columns, row, strict=True)) for row in rows
    ]
    return replace(table, columns={**table.columns, joined: values})


def names_of_label_sets(tables: Iterable[Table], columns: Sequence[str]) -> tuple[str, ...]:
    """The labels that texts may have: the columns, declared ones, or those that occur, ordered.

    Raises:
        DataError: there is no such column.
    """
    if len(columns) > 1:
        return tuple(columns)
    names: set[str] = set()
    declared: set[tuple[str, ...] | None] = set()
    for table in tables:
        declared.add(table.class_names.get(columns[0]))
        for value in table.column(columns[0]):
            with suppress(UnusableValueError):  # reported when the row is checked
                names |= label_names(value)
    common = declared.pop() if len(declared) == 1 else None
    return ordered(names) if common is None else common


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
            with suppress(UnusableValueError):  # reported when the row is checked
                names.add(label_name(value))
    common = declared.pop() if len(declared) == 1 else None
    return ordered(names) if common is None else common


def ordered(names: Iterable[str]) -> tuple[str, ...]:
    """Each name once: by value where all are whole numbers, else by code points.

    >>> ordered(["10", "9", "10"])
    ('9', '10')
    >>> ordered(["b", "10", "9"])
    ('10', '9', 'b')
    """
    distinct = sorted(set(names))
    if all(_WHOLE_NUMBER.fullmatch(name) for name in distinct):
        distinct.sort(key=int)
    return tuple(distinct)
