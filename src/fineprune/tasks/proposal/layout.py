"""How a file is read: what recipes say of a source beside its path."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from fineprune.errors import DataError
from fineprune.tasks.data import BrokenRow, Table, TableSource, bytes_of, read
from fineprune.wording import listed

Role = Literal["train", "validation", "test"]

_ROLES: Final[Mapping[Role, tuple[str, ...]]] = {
    "train": ("train",),
    "validation": ("validation", "valid", "val", "dev", "eval"),
    "test": ("test",),
}
_LONGEST_NAME: Final = 60  # of a column, in characters
_MOST_WORDS: Final = 6  # in one


@dataclass(frozen=True)
class Layout:
    """A file, or a part of one.

    Attributes:
        source: as a recipe names it.
        reasons: why it is read so, where that is not plain; one line each.
    """

    source: TableSource
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Contents:
    """What a source holds.

    Attributes:
        layout: how it is read.
        table: its readable rows, with all columns.
        broken: the others.
    """

    layout: Layout
    table: Table
    broken: tuple[BrokenRow, ...]


def article_count(path: Path) -> int:
    """Articles of a file in SQuAD format; none where it is not in that.

    Raises:
        DataError: it is a JSON file that cannot be read.
    """
    if TableSource(path=str(path)).suffix != ".json":
        return 0
    articles = _document(path).get("data")
    if not isinstance(articles, list) or not articles or not isinstance(articles[0], dict):
        return 0
    return len(articles) if "paragraphs" in articles[0] else 0


def layouts_of(path: Path) -> dict[Role, Layout]:
    """The sources in a file: one to train on; of a JSON object with several arrays, others as well.

    Raises:
        DataError: it is missing, cannot be read, or is of no format that recipes read.
    """
    source = TableSource(path=str(path))
    if not source.is_file:
        raise DataError(f"{path}: expected a file ending in {', '.join(TableSource.formats)}")
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    if source.suffix == ".json":
        return _of_json(path, source)
    if source.suffix in (".csv", ".tsv"):
        return {"train": _of_delimited(source)}
    return {"train": _with_names(source, _first_rows(source))}


def contents_of(layout: Layout) -> Contents:
    """Reads a source, with all of its columns.

    Raises:
        DataError: it cannot be read.
    """
    broken: list[BrokenRow] = []
    found = read(layout.source, (), broken.append).found
    broken.clear()
    table = read(layout.source, found, broken.append)
    if table.notes and layout.source.quoting is None:
        reasons = (*layout.reasons, "fields are quoted, as pandas writes them")
        return contents_of(Layout(replace(layout.source, quoting="minimal"), reasons))
    return Contents(layout, table, tuple(broken))


def _document(path: Path) -> dict[str, Any]:
    """The object in a JSON file; an empty one where there is another value."""
    source = TableSource(path=str(path))
    with bytes_of(source) as stream:
        try:
            value = json.loads(stream.read().decode("utf-8-sig"))
        except (RecursionError, ValueError) as error:
            raise DataError(f"{path} is not JSON that can be read: {error}") from error
    return value if isinstance(value, dict) else {}


def _of_json(path: Path, source: TableSource) -> dict[Role, Layout]:
    arrays = {
        key: value for key, value in _document(path).items() if isinstance(value, list) and value
    }
    if not arrays:
        return {"train": _with_names(source, [])}
    fields = {role: field for role in _ROLES if (field := _field_for(role, arrays))}
    if "train" not in fields:
        largest = max(arrays, key=lambda key: len(arrays[key]))
        fields = {"train": largest}
    why = f"the file has {listed(arrays)}" if len(arrays) > 1 else ""
    return {
        role: _with_names(replace(source, field=field), arrays[field], why)
        for role, field in fields.items()
    }


def _field_for(role: Role, arrays: Mapping[str, Any]) -> str | None:
    return next((name for name in _ROLES[role] if name in arrays), None)


def _first_rows(source: TableSource) -> list[Any]:
    if source.suffix != ".jsonl":
        return []
    with bytes_of(source) as stream:
        line = next((line for line in stream if line.strip()), b"{}")
    try:
        return [json.loads(line.decode("utf-8-sig"))]
    except (RecursionError, ValueError):
        return []  # a broken row, which reading tells of


def _with_names(source: TableSource, rows: Sequence[Any], why: str = "") -> Layout:
    """Names for the columns of rows that are arrays."""
    reasons = (why,) if why else ()
    if not rows or not isinstance(rows[0], list):
        return Layout(source, reasons)
    names = _numbered(len(rows[0]))
    return Layout(replace(source, columns=names), (*reasons, "rows are arrays, without names"))


def _of_delimited(source: TableSource) -> Layout:
    delimiter = {".csv": ",", ".tsv": "\t"}[source.suffix]
    with bytes_of(source) as stream:
        first = next((line for line in stream if line.strip()), b"")
    try:
        fields = next(csv.reader([first.decode("utf-8-sig", "replace")], delimiter=delimiter), [])
    except csv.Error:  # of ends of lines that this is no line for, or of a field without end
        return Layout(source)
    if fields and any(map(_is_no_name, fields)):
        why = "the first line looks like a row, not like a header"
        return Layout(replace(source, columns=_numbered(len(fields))), (why,))
    return Layout(source)


def _is_no_name(field: str) -> bool:
    """Whether a field of a first line can hardly be the name of a column."""
    try:
        float(field)
    except ValueError:
        return len(field) > _LONGEST_NAME or len(field.split()) > _MOST_WORDS
    return True


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(f"column_{number}" for number in range(1, count + 1))
