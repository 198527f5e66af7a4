"""From a source to its table, by the reader for its format."""

from collections.abc import Collection, Mapping
from pathlib import Path

from fineprune.errors import DataError
from fineprune.tasks.classification.sources.broken import OnBroken
from fineprune.tasks.classification.sources.delimited import read_csv, read_tsv
from fineprune.tasks.classification.sources.hub import read_dataset
from fineprune.tasks.classification.sources.json_rows import read_json, read_json_lines
from fineprune.tasks.classification.sources.parquet import read_parquet
from fineprune.tasks.classification.sources.source import Source
from fineprune.tasks.classification.sources.table import Reader, Table

READERS: Mapping[str, Reader] = {
    ".tsv": read_tsv,
    ".csv": read_csv,
    ".json": read_json,
    ".jsonl": read_json_lines,
    ".parquet": read_parquet,
}


def read(source: Source, wanted: Collection[str], on_broken: OnBroken) -> Table:
    """The columns of `wanted` that the source has, and the place of each row.

    Raises:
        DataError: the source is missing, empty, malformed, or of a format that is not known.
    """
    if not source.is_file and Path(source.path).is_file():
        raise DataError(
            f"{source} is a file of a format that is not known: "
            f"its name has to end in {', '.join(READERS)}"
        )
    table = READERS.get(source.suffix, read_dataset)(source, wanted, on_broken)
    if not table:
        raise DataError(f"{source} is empty: it holds no row that can be used")
    return table
