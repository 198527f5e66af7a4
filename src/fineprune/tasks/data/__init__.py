"""Where data come from: files and data sets of the hub, which all become tables.

```
source.py   one source, as a recipe names it      -> TableSource, SquadSource
splits.py   the sources of a task, by split       -> Splits
named_sources.py   sources as recipes write them  -> NamedSources
table.py    what every reader returns             -> Table, BrokenRow
files.py    text files: TSV, CSV, JSON, JSON lines, CoNLL
arrow.py    what is typed: Parquet files, data sets of the hub
```
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from fineprune.errors import DataError
from fineprune.tasks.data.arrow import read_dataset, read_parquet
from fineprune.tasks.data.files import (
    bytes_of,
    read_conll,
    read_csv,
    read_json,
    read_json_lines,
    read_tsv,
)
from fineprune.tasks.data.source import CONLL, SquadSource, TableSource
from fineprune.tasks.data.splits import Sources, Splits, with_default_splits
from fineprune.tasks.data.table import (
    BrokenRow,
    Column,
    OnBroken,
    Table,
    as_column,
    notes_on_dropped,
    refuse,
)

__all__ = [
    "READERS",
    "BrokenRow",
    "Column",
    "OnBroken",
    "Sources",
    "Splits",
    "SquadSource",
    "Table",
    "TableSource",
    "as_column",
    "bytes_of",
    "notes_on_dropped",
    "read",
    "read_dataset",
    "refuse",
    "with_default_splits",
]

Reader: TypeAlias = Callable[[TableSource, Collection[str], OnBroken], Table]
"""Reads a file: the columns to keep where they exist, and what to do with a broken row."""

READERS: Final[Mapping[str, Reader]] = {
    ".tsv": read_tsv,
    ".csv": read_csv,
    ".json": read_json,
    ".jsonl": read_json_lines,
    **dict.fromkeys(CONLL, read_conll),
    ".parquet": read_parquet,
}
"""What reads a file, by the ending of its name."""


def read(source: TableSource, wanted: Collection[str], on_broken: OnBroken) -> Table:
    """The columns of `wanted` that the source has, and the place of each row.

    Raises:
        DataError: the source is missing, empty, malformed, or of an unknown format.
    """
    if not source.is_file and Path(source.path).is_file():
        raise DataError(
            f"{source} is a file of unknown format: its name has to end in {', '.join(READERS)}"
        )
    broken: list[BrokenRow] = []

    def remember(row: BrokenRow) -> None:
        on_broken(row)
        broken.append(row)

    if source.is_file:
        table = READERS[source.suffix](source, wanted, remember)
        table = table if source.rows is None else table.only(source.choose(len(table)))
    else:
        table = read_dataset(source, wanted)
    if not table:
        raise DataError(f"{source} is empty{_why(broken)}")
    return table


def _why(broken: Sequence[BrokenRow]) -> str:
    if not broken:
        return ": it has no rows"
    return f" without its broken rows; the first, {broken[0].place}: {broken[0].reason}"
