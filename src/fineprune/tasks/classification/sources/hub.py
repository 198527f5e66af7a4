"""Data sets of the Hugging Face hub, and local folders that are laid out like one."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import datasets

from fineprune.errors import DataError
from fineprune.tasks.classification.sources.arrow import table_of_columns
from fineprune.tasks.classification.sources.broken import OnBroken
from fineprune.tasks.classification.sources.source import FILE_SUFFIXES, Source
from fineprune.tasks.classification.sources.table import Table


def read_dataset(source: Source, wanted: Collection[str], on_broken: OnBroken) -> Table:
    """One split of a data set, `source.split`.

    Raises:
        DataError: the data set cannot be loaded, or has no such split.
    """
    dataset = _load(source, split=source.split)
    kept = dataset.select_columns([name for name in dataset.column_names if name in wanted])
    columns = kept.with_format(None)[:]
    return table_of_columns(source, dataset.column_names, columns, dataset.features, len(dataset))


def split_names(source: Source) -> tuple[str, ...]:
    """The splits that the data set has.

    Raises:
        DataError: the data set cannot be loaded.
    """
    return tuple(_load(source, split=None))


def _load(source: Source, split: str | None) -> Any:
    _refuse_folder_of_tsv(source)
    try:
        return datasets.load_dataset(source.path, source.config, split=split)
    except Exception as error:  # loading runs file formats and network clients of every kind
        reason = str(error.__cause__ or error).partition("\n")[0].rstrip(".")
        raise DataError(
            f"{source} cannot be loaded as a data set of the hub or a folder of one: {reason}; "
            f"the name of a file would end in {', '.join(FILE_SUFFIXES)}"
        ) from error


def _refuse_folder_of_tsv(source: Source) -> None:
    """The data set loader takes quote characters in TSV files for quoting, and would lose rows."""
    files = sorted(path.name for path in Path(source.path).glob("*.tsv"))
    if files:
        raise DataError(
            f"{source} is a folder of TSV files: name the files themselves, "
            f"such as {Path(source.path) / files[0]}"
        )
