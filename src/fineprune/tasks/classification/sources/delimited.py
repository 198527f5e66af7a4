"""Tab-separated and comma-separated files."""

import csv
from collections.abc import Collection, Iterator
from typing import Any, TextIO

from fineprune.errors import DataError
from fineprune.tasks.classification.sources.broken import OnBroken
from fineprune.tasks.classification.sources.records import table_of_records
from fineprune.tasks.classification.sources.source import Source
from fineprune.tasks.classification.sources.table import Table
from fineprune.tasks.classification.sources.text_file import text_of
from fineprune.wording import listed


def read_tsv(source: Source, wanted: Collection[str], on_broken: OnBroken) -> Table:
    """Tab-separated text as GLUE writes it: a quote character is text like any other.

    Raises:
        DataError: the file cannot be read, or its header has a name twice.
    """
    return _read(source, wanted, on_broken, delimiter="\t", quoting=csv.QUOTE_NONE)


def read_csv(source: Source, wanted: Collection[str], on_broken: OnBroken) -> Table:
    """Comma-separated text (RFC 4180): `"` quotes a field, `""` is a quote character in it.

    Raises:
        DataError: the file cannot be read, or its header has a name twice.
    """
    return _read(source, wanted, on_broken, delimiter=",", quoting=csv.QUOTE_MINIMAL)


def _read(source: Source, wanted: Collection[str], on_broken: OnBroken, **dialect: Any) -> Table:
    with text_of(source, newline="") as stream:
        records = _records(source, stream, dialect)
        names = _names(source, records)
        # A blank line is no record, except that under one column it may be an empty text.
        kept = ((line, record) for line, record in records if record or len(names) == 1)
        return table_of_records(str(source), "line", names, kept, wanted, on_broken)


def _records(
    source: Source, stream: TextIO, dialect: dict[str, Any]
) -> Iterator[tuple[int, list[str]]]:
    """Records with the lines on which they start; that of a blank line is empty."""
    reader = csv.reader(stream, strict=True, **dialect)
    line = 1
    try:
        for record in reader:
            yield line, record
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{source}, line {line}: {error}; see how the field is quoted") from error


def _names(source: Source, records: Iterator[tuple[int, list[str]]]) -> tuple[str, ...]:
    if source.columns is not None:
        return source.columns
    header = next((record for _, record in records if record), [])
    if len(set(header)) < len(header):
        raise DataError(
            f"{source} has a column twice: {listed(header)}; if it has no header, "
            "name its columns with `columns`"
        )
    return tuple(header)
