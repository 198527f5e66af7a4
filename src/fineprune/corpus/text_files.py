"""Texts out of files, row by row, in memory for one row.

Nothing is guessed, and nothing is lost: a row that cannot be used is a broken one in its place.
"""

import csv
import gzip
import json
import zlib
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal, final

from fineprune.corpus.rows import NOT_UTF_8, Row, row_of
from fineprune.errors import DataError
from fineprune.text.characters import without_surrogates
from fineprune.wording import listed, quoted

Quoting = Literal["none", "minimal"]

_LONGEST_FIELD = 1 << 26
"""Of delimited text, in characters: a quote that is never closed is not to fill the memory."""

_MOST_NAMES = 1000
"""Of columns that are remembered for a message; each row may bring others."""


class TextFile(ABC):
    """A file of texts.

    Args:
        path: of it.
        names: of the columns that hold the texts: one, or two.

    Attributes:
        size: what `position` counts up to.
        position: how much of the file is read.
        found: names that rows so far gave to their values, of files in which each row does.
    """

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self.path, self.names = path, tuple(names)
        self.position = 0
        self.found: dict[str, None] = {}

    @property
    @abstractmethod
    def size(self) -> int:
        """What `position` counts up to."""

    @abstractmethod
    def rows(self) -> Iterator[Row]:
        """All rows, from the first one on.

        Raises:
            DataError: the file cannot be read, or has no such column.
        """

    def require_columns(self) -> None:
        """Checks the columns of a file that names them in each row, once rows are read.

        Raises:
            DataError: no row so far had such a column.
        """
        for name in self.names if self.found else ():
            require_column(self.path, name, self.found)


class _Bytes(TextFile):
    """A file that is read as bytes, which may be compressed."""

    @property
    def size(self) -> int:
        """Of the file, in bytes."""
        return self.path.stat().st_size

    def rows(self) -> Iterator[Row]:
        """All rows."""
        with _reading(self.path) as raw:
            compressed = self.path.suffix.lower() == ".gz"
            stream: Any = gzip.GzipFile(fileobj=raw) if compressed else raw
            for number, values in enumerate(self._records(stream), 1):
                self.position = raw.tell()
                yield self._row(number, values)
            self.position = raw.tell()

    @abstractmethod
    def _records(self, stream: IO[bytes]) -> Iterator[Any]:
        """What `_row` makes rows of."""

    @abstractmethod
    def _row(self, number: int, record: Any) -> Row:
        """One row."""


@final
class Lines(_Bytes):
    """One text a line; nothing but a line feed ends one, and blank lines are texts as well."""

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        if len(names) > 1:
            raise DataError(f"{path} holds one text a line, and no second column")
        super().__init__(path, names)

    def _records(self, stream: IO[bytes]) -> Iterator[bytes]:
        return without_mark(stream)

    def _row(self, number: int, record: bytes) -> Row:
        try:
            text = record.decode()
        except UnicodeDecodeError:
            return Row(number, fault=f"the line {NOT_UTF_8}")
        return row_of(number, self.names, [text.removesuffix("\n").removesuffix("\r")])


@final
class JsonLines(_Bytes):
    """One object a line; blank lines are skipped."""

    def _records(self, stream: IO[bytes]) -> Iterator[bytes]:
        return (line for line in without_mark(stream) if line.strip())

    def _row(self, number: int, record: bytes) -> Row:
        try:
            values = json.loads(record.decode())
        except UnicodeDecodeError:
            return Row(number, fault=f"the line {NOT_UTF_8}")
        except (RecursionError, ValueError) as error:  # absurdly deep, or absurdly long numbers
            return Row(number, fault=f"the line is not JSON: {error}")
        if not isinstance(values, dict):
            return Row(number, fault=f"the line is {quoted(values)}, and no object")
        if len(self.found) < _MOST_NAMES:
            self.found |= dict.fromkeys(values)
        missing = [name for name in self.names if name not in values]
        if missing:
            fault = f"there is no column {missing[0]!r}, only {listed(values)}"
            return Row(number, fault=without_surrogates(fault))
        return row_of(number, self.names, [values[name] for name in self.names])


@final
class Delimited(_Bytes):
    """Fields between separators, under a header.

    Args:
        path: of the file.
        names: of the columns that hold the texts.
        delimiter: between fields.
        quoting: what a double quote means, as in recipes: it encloses a field (`minimal`), or is a
            character like any other (`none`).
    """

    def __init__(
        self, path: Path, names: Sequence[str], *, delimiter: str, quoting: Quoting
    ) -> None:
        super().__init__(path, names)
        self._delimiter = delimiter
        self._quoting: Literal[0, 3] = csv.QUOTE_NONE if quoting == "none" else csv.QUOTE_MINIMAL
        self._header: list[str] = []

    def _records(self, stream: IO[bytes]) -> Iterator[list[str] | csv.Error]:
        # Half a surrogate pair for each byte that is none of UTF-8: in whichever field they stand.
        lines = (line.decode(errors="surrogateescape") for line in without_mark(stream))
        reader = csv.reader(lines, strict=True, delimiter=self._delimiter, quoting=self._quoting)
        records = _each_record(reader)
        header: Any = next((record for record in records if record), [])
        self._header = _checked_header(self.path, header, self.names)
        # A blank line is no record, except that under one column it may be an empty text.
        return (record for record in records if record or len(self._header) == 1)

    def _row(self, number: int, record: list[str] | csv.Error) -> Row:
        if isinstance(record, csv.Error):
            return Row(number, fault=f"the row is not as the format has it: {record}")
        record = record or [""]
        if len(record) != len(self._header):
            expected = f"{len(self._header)} are expected ({listed(self._header)})"
            return Row(number, fault=f"the row has {len(record)} fields where {expected}")
        values = [record[self._header.index(name)] for name in self.names]
        for name, value in zip(self.names, values, strict=True):
            if not _is_unicode(value):
                return Row(number, fault=f"column {name!r} {NOT_UTF_8}")
        return row_of(number, self.names, values)


def _each_record(reader: Iterator[list[str]]) -> Iterator[Any]:
    """Records, and what is wrong where there is none: the reader goes on at the next line."""
    before = csv.field_size_limit(_LONGEST_FIELD)
    try:
        while True:
            try:
                yield next(reader)
            except csv.Error as error:
                yield error
            except StopIteration:
                return
    finally:
        csv.field_size_limit(before)


def _checked_header(path: Path, header: Any, names: Sequence[str]) -> list[str]:
    if isinstance(header, csv.Error):
        raise DataError(f"{path}: the header is not as the format has it: {header}")
    if len(set(header)) < len(header):
        raise DataError(f"{path} has a column twice: {listed(header)}")
    for name in names:
        require_column(path, name, header)
    return list(header)


def require_column(path: Path, name: str, found: Collection[str]) -> None:
    """Checks that a file has a column.

    Raises:
        DataError: it has not.
    """
    if name not in found:
        raise DataError(f"{path} has no column {name!r}, only {listed(found)}")


def without_mark(stream: IO[bytes]) -> Iterator[bytes]:
    """Lines without the byte order mark that may stand before the first."""
    for place, line in enumerate(stream):
        yield line.removeprefix(b"\xef\xbb\xbf") if place == 0 else line


def _is_unicode(text: str) -> bool:
    return text.isascii() or without_surrogates(text) == text


@contextmanager
def _reading(path: Path) -> Iterator[IO[bytes]]:
    try:
        with path.open("rb") as stream:
            yield stream
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path} is not a complete gzip file: {error}") from error
    except IsADirectoryError as error:
        raise DataError(f"{path} is a folder; name a file") from error
