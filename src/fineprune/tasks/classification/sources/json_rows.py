"""JSON files and files of JSON lines; a row is an object, or an array under given names."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from fineprune.errors import DataError
from fineprune.tasks.classification.sources.broken import BrokenRow, OnBroken
from fineprune.tasks.classification.sources.records import table_of_records
from fineprune.tasks.classification.sources.source import Source
from fineprune.tasks.classification.sources.table import Table, Unit
from fineprune.tasks.classification.sources.text_file import text_of
from fineprune.wording import listed, quoted

Numbered: TypeAlias = Iterable[tuple[int, Any]]


def read_json(source: Source, wanted: Collection[str], on_broken: OnBroken) -> Table:
    """An array of rows, or an object with such an array under `source.field`.

    Raises:
        DataError: the file cannot be read, is not JSON, or holds no array where one is expected.
    """
    with text_of(source) as stream:
        text = stream.read()
    try:
        document = json.loads(text) if text.strip() else []
    except json.JSONDecodeError as error:
        raise DataError(
            f"{source.path}, line {error.lineno}, column {error.colno}: not JSON ({error.msg})"
        ) from error
    except (RecursionError, ValueError) as error:  # absurd nesting, absurdly long numbers
        raise DataError(f"{source.path} is not JSON that can be read: {error}") from error
    return _table(source, "row", enumerate(_rows(source, document), 1), wanted, on_broken)


def read_json_lines(source: Source, wanted: Collection[str], on_broken: OnBroken) -> Table:
    """One row a line; blank lines are none.

    Raises:
        DataError: the file cannot be read.
    """
    with text_of(source) as stream:
        rows = _parsed(source, enumerate(stream, 1), on_broken)
        return _table(source, "line", rows, wanted, on_broken)


def _parsed(
    source: Source, lines: Iterable[tuple[int, str]], on_broken: OnBroken
) -> Iterator[tuple[int, Any]]:
    for number, line in lines:
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (RecursionError, ValueError) as error:
            on_broken(BrokenRow(str(source), f"line {number}", f"not JSON ({error})"))
        else:
            yield number, row


def _rows(source: Source, document: Any) -> list[Any]:
    """The array of rows in the document."""
    if source.field is not None:
        if not isinstance(document, dict) or source.field not in document:
            keys = listed(document) if isinstance(document, dict) else "no keys"
            raise DataError(f"{source.path} has no field {source.field!r}: it has {keys}")
        document = document[source.field]
    if isinstance(document, list):
        return document
    if isinstance(document, dict) and source.field is None:
        raise DataError(
            f"{source} holds an object, not an array of rows: "
            f"name one of its keys as `field` ({listed(document)})"
        )
    raise DataError(f"{source} holds {quoted(document)}, not an array of rows")


def _table(
    source: Source, unit: Unit, rows: Numbered, wanted: Collection[str], on_broken: OnBroken
) -> Table:
    if source.columns is None:
        objects = _of_type(source, unit, rows, dict, on_broken)
        return _table_of_objects(source, unit, objects, wanted)
    arrays = _of_type(source, unit, rows, list, on_broken)
    return table_of_records(str(source), unit, source.columns, arrays, wanted, on_broken)


_EXPECTED: Final[Mapping[type, str]] = {
    dict: "where an object is expected; rows that are arrays need names: `columns`",
    list: "where an array is expected; rows that are objects have names: leave out `columns`",
}


def _of_type(
    source: Source, unit: Unit, rows: Numbered, kind: type, on_broken: OnBroken
) -> Iterator[tuple[int, Any]]:
    for number, row in rows:
        if isinstance(row, kind):
            yield number, row
        else:
            reason = f"{quoted(row)} {_EXPECTED[kind]}"
            on_broken(BrokenRow(str(source), f"{unit} {number}", reason))


def _table_of_objects(
    source: Source, unit: Unit, objects: Numbered, wanted: Collection[str]
) -> Table:
    """A key that a row lacks is a missing value there; a key that no row has is no column."""
    found: dict[str, None] = {}
    kept: list[dict[str, Any]] = []
    numbers = []
    for number, row in objects:
        found.update(dict.fromkeys(row))
        kept.append({name: row.get(name) for name in wanted})
        numbers.append(number)
    columns = {name: [row[name] for row in kept] for name in wanted if name in found}
    return Table(str(source), tuple(found), columns, unit, numbers)
