"""Text files of users: opened, and read as tables.

Delimited text and JSON are parsed by the standard library, line by line. Arrow's readers are
faster, but they do not report the line of a row, and they guess: `pyarrow.csv` reads `"a"b` as
`ab`, and `pyarrow.json` reads the text `2020-01-01` as a date.
"""

import csv
import gzip
import json
import re
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any, Final, Literal, TextIO, TypeAlias

from fineprune.errors import DataError
from fineprune.tasks.data.source import Quoting, Source, TableSource
from fineprune.tasks.data.table import BrokenRow, OnBroken, Table, Unit, as_column, table_of_records
from fineprune.wording import listed, quoted

Numbered: TypeAlias = Iterable[tuple[int, Any]]


@contextmanager
def bytes_of(source: Source) -> Iterator[IO[bytes]]:
    """The file, decompressed if its name ends in `.gz`.

    Errors while it is read are translated like errors when it is opened.

    Raises:
        DataError: the file is missing, cannot be read, or is not what its name says.
    """
    path = Path(source.path)
    opener: Any = gzip.open if path.suffix.lower() == ".gz" else open
    try:
        with opener(path, "rb") as stream:
            yield stream
    except FileNotFoundError as error:
        raise DataError(f"{source}: there is no such file; check the path in the recipe") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{source} is not a complete gzip file: {error}") from error
    except OSError as error:
        raise DataError(f"{source} cannot be read: {error.strerror or error}") from error


@contextmanager
def _text_of(source: Source, newline: str | None = None) -> Iterator[TextIO]:
    """The file as UTF-8 text, with or without a byte order mark."""
    with bytes_of(source) as stream:
        try:
            yield TextIOWrapper(stream, encoding="utf-8-sig", newline=newline)
        except UnicodeDecodeError as error:
            raise DataError(
                f"{source} is not UTF-8 text ({error.reason}): convert it first"
            ) from error


def read_tsv(source: TableSource, wanted: Collection[str], on_broken: OnBroken) -> Table:
    """Tab-separated text; unless the source says otherwise, a quote is a character like any other.

    Raises:
        DataError: the file cannot be read, or its header has a name twice.
    """
    return _read_delimited(source, wanted, on_broken, "\t", source.quoting or "none")


def read_csv(source: TableSource, wanted: Collection[str], on_broken: OnBroken) -> Table:
    """Comma-separated text; unless the source says otherwise, quoted as RFC 4180 has it.

    Raises:
        DataError: the file cannot be read, or its header has a name twice.
    """
    return _read_delimited(source, wanted, on_broken, ",", source.quoting or "minimal")


_QUOTING: Final[Mapping[Quoting, Literal[0, 3]]] = {
    "none": csv.QUOTE_NONE,
    "minimal": csv.QUOTE_MINIMAL,
}


def _read_delimited(
    source: TableSource,
    wanted: Collection[str],
    on_broken: OnBroken,
    delimiter: str,
    quoting: Quoting,
) -> Table:
    guessed = source.quoting is None and quoting == "none"
    with _text_of(source, newline="") as stream:
        reader = csv.reader(stream, strict=True, delimiter=delimiter, quoting=_QUOTING[quoting])
        records = _records(source, reader)
        names = _names(source, records)
        if guessed:
            _check_header(source, names, wanted)
        # A blank line is no record, except that under one column it may be an empty text.
        kept = ((line, record) for line, record in records if record or len(names) == 1)
        if not guessed:
            return table_of_records(str(source), "line", names, kept, wanted, on_broken)
        quotes = _Quotes(len(names))
        table = table_of_records(
            str(source), "line", names, quotes.watch(kept), wanted, quotes.explaining(on_broken)
        )
    return replace(table, notes=quotes.notes(str(source)))


def _records(source: Source, reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Records with the lines on which they start; that of a blank line is empty."""
    line = 1
    try:
        for record in reader:
            yield line, record
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{source}, line {line}: {error}; see how the field is quoted, "
            "and set `quoting` where it is not as in RFC 4180"
        ) from error


def _names(source: TableSource, records: Iterator[tuple[int, list[str]]]) -> tuple[str, ...]:
    if source.columns is not None:
        return source.columns
    header = next((record for _, record in records if record), [])
    if len(set(header)) < len(header):
        raise DataError(
            f"{source} has a column twice: {listed(header)}; if it has no header, "
            "name its columns with `columns`"
        )
    return tuple(header)


_ENCLOSED: Final = re.compile(r'"(?:[^"]|"")*"')
_SET_QUOTING: Final = (
    "if the file was written with quoting, as pandas does, set quoting: minimal for this source"
)


def _check_header(source: Source, names: Iterable[str], wanted: Collection[str]) -> None:
    for name in names:
        if _ENCLOSED.fullmatch(name) and name[1:-1] in wanted:
            raise DataError(f"{source} has the column {name}, with the quotes: {_SET_QUOTING}")


@dataclass
class _Quotes:
    """Watches for signs that a file that is read without quoting was written with it.

    Attributes:
        fields: how many fields a record has; those of other records may be parts of one.
        enclosed: number of fields in quotes, with quotes inside doubled, as quoting writes them.
        bare: number of fields with quotes elsewhere, as quoting never writes them.
        first: line of the first enclosed field.
        open: whether a field of the current record begins with a quote.
    """

    fields: int
    enclosed: int = 0
    bare: int = 0
    first: int = 0
    open: bool = False

    def watch(self, records: Numbered) -> Numbered:
        """The records as they are."""
        for line, record in records:
            self.open = any(field.startswith('"') for field in record)
            for field in record if len(record) == self.fields else ():
                if _ENCLOSED.fullmatch(field):
                    self.first = self.first or line
                    self.enclosed += 1
                elif '"' in field:
                    self.bare += 1
            yield line, record

    def explaining(self, on_broken: OnBroken) -> OnBroken:
        """Adds to the reason of a broken row that quoting may be behind it."""

        def explain(row: BrokenRow) -> None:
            reason = f"{row.reason}; {_SET_QUOTING}" if self.open else row.reason
            on_broken(replace(row, reason=reason))

        return explain

    def notes(self, source: str) -> tuple[str, ...]:
        """One line if there are signs of quoting and none against it."""
        if self.bare or not self.enclosed:
            return ()
        return (
            f"{source}: double quotes around {self.enclosed} fields, the first on line "
            f"{self.first}, are read as part of the text; {_SET_QUOTING}, else quoting: none",
        )


def read_conll(source: TableSource, wanted: Collection[str], on_broken: OnBroken) -> Table:
    """A token a line with its fields, and a blank line behind each text; a text is a row.

    Every column is one of lists. Unless the source names its columns, the first is `tokens` and the
    last is `tags`. Fields are separated by tabs if the first line of a token has any, else by white
    space. Lines that begin a document (`-DOCSTART-`), and comments in files with tabs (`# ...`),
    are no tokens.

    Raises:
        DataError: the file cannot be read.
    """
    with _text_of(source) as stream:
        texts = list(_texts_of_tokens(stream))
    names = source.columns
    if names is None:
        width = len(texts[0][1][0]) if texts else 2
        names = ("tokens", *(f"field {place}" for place in range(2, width)), "tags")
    records = _records_of_tokens(str(source), names, texts, on_broken)
    return table_of_records(str(source), "line", names, records, wanted, on_broken)


def _texts_of_tokens(lines: Iterable[str]) -> Iterator[tuple[int, list[list[str]]]]:
    """The fields of each token, text by text, with the lines on which these begin."""
    first, tokens, mark = 0, list[list[str]](), ""
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("-DOCSTART-"):
            if tokens:
                yield first, tokens
            tokens = []
            continue
        line = line.rstrip("\r\n")
        marked = line.startswith("# ") if not mark else line.startswith("#")
        if marked and mark != " " and "\t" not in line:  # a comment
            continue
        mark = mark or ("\t" if "\t" in line else " ")
        first = first if tokens else number
        tokens.append(line.split("\t") if mark == "\t" else line.split())
    if tokens:
        yield first, tokens


def _records_of_tokens(
    source: str,
    names: Sequence[str],
    texts: Iterable[tuple[int, list[list[str]]]],
    on_broken: OnBroken,
) -> Iterator[tuple[int, Sequence[object]]]:
    for first, tokens in texts:
        odd = next((place for place, one in enumerate(tokens) if len(one) != len(names)), None)
        if odd is None:
            yield first, [list(column) for column in zip(*tokens, strict=True)]
            continue
        reason = (
            f"{len(tokens[odd])} fields where {len(names)} are expected ({listed(names)}); "
            "name them with `columns`"
        )
        on_broken(BrokenRow(source, f"line {first + odd}", reason))


def read_json(source: TableSource, wanted: Collection[str], on_broken: OnBroken) -> Table:
    """An array of rows, or an object with such an array under `source.field`.

    Raises:
        DataError: the file cannot be read, is not JSON, or has no array where one is expected.
    """
    with _text_of(source) as stream:
        text = stream.read()
    try:
        document = json.loads(text) if text.strip() else []
    except json.JSONDecodeError as error:
        raise DataError(
            f"{source.path}, line {error.lineno}, column {error.colno}: not JSON ({error.msg})"
        ) from error
    except (RecursionError, ValueError) as error:  # absurd nesting, absurdly long numbers
        raise DataError(f"{source.path} is not JSON that can be read: {error}") from error
    return _table_of_json(source, "row", enumerate(_rows(source, document), 1), wanted, on_broken)


def read_json_lines(source: TableSource, wanted: Collection[str], on_broken: OnBroken) -> Table:
    """One row a line; blank lines are skipped.

    Raises:
        DataError: the file cannot be read.
    """
    with _text_of(source) as stream:
        rows = _parsed(source, enumerate(stream, 1), on_broken)
        return _table_of_json(source, "line", rows, wanted, on_broken)


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


def _rows(source: TableSource, document: Any) -> list[Any]:
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


def _table_of_json(
    source: TableSource, unit: Unit, rows: Numbered, wanted: Collection[str], on_broken: OnBroken
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
    columns: dict[str, list[object]] = {name: [] for name in wanted}
    numbers = []
    for number, row in objects:
        found.update(dict.fromkeys(row))
        numbers.append(number)
        for name, values in columns.items():
            values.append(row.get(name))
    arrays = {name: as_column(values) for name, values in columns.items() if name in found}
    return Table(str(source), tuple(found), arrays, unit, numbers)
