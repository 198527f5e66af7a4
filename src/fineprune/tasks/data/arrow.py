"""Typed tables: Parquet files, and data sets of the hub or of local folders laid out like one."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import datasets
import pyarrow
import pyarrow.compute
import pyarrow.parquet
from datasets import ClassLabel, Features

from fineprune.errors import DataError
from fineprune.tasks.data.source import Source
from fineprune.tasks.data.table import Column, OnBroken, Table
from fineprune.wording import first_line


def read_parquet(source: Source, wanted: Collection[str], on_broken: OnBroken) -> Table:
    """One Parquet file; class names that `datasets` wrote into it are used.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        with pyarrow.parquet.ParquetFile(source.path) as file:
            found = file.schema_arrow.names
            rows = file.read([name for name in found if name in wanted])
    except FileNotFoundError as error:
        raise DataError(f"{source}: there is no such file; check the path in the recipe") from error
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"{source} cannot be read as Parquet: {_reason(error)}") from error
    declared = b"huggingface" in (rows.schema.metadata or {})
    features = Features.from_arrow_schema(rows.schema) if declared else Features()
    return _table(source, found, rows, features)


def read_dataset(source: Source, wanted: Collection[str]) -> Table:
    """One split of a data set, `source.split`.

    Raises:
        DataError: the data set cannot be loaded, or has no such split.
    """
    dataset = _load(source, split=source.split)
    kept = dataset.select_columns([name for name in dataset.column_names if name in wanted])
    return _table(source, dataset.column_names, kept.with_format("arrow")[:], dataset.features)


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
        raise DataError(
            f"{source} cannot be loaded as a data set of the hub or a folder of one: "
            f"{_reason(error)}; the name of a file would end in {', '.join(source.formats)}"
        ) from error


def _reason(error: Exception) -> str:
    """The first line of another library's message; of its cause, which `datasets` wraps."""
    cause = error.__cause__ or error
    return first_line(cause).rstrip(".")


def _refuse_folder_of_tsv(source: Source) -> None:
    """`datasets` reads TSV files with quoting, and would silently join rows of GLUE's."""
    files = sorted(path.name for path in Path(source.path).glob("*.tsv"))
    if files and ".tsv" in source.formats:
        raise DataError(
            f"{source} is a folder of TSV files: name the files themselves, "
            f"such as {Path(source.path) / files[0]}"
        )


def _table(source: Source, found: Sequence[str], rows: pyarrow.Table, features: Features) -> Table:
    """Declared classes become their names, and a hidden one (-1) a missing value."""
    classes = {
        name: tuple(declared.names)
        for name in rows.column_names
        if (declared := _declared(features.get(name))) is not None
    }
    columns = {
        name: _named(rows[name], classes[name]) if name in classes else rows[name]
        for name in rows.column_names
    }
    return Table(str(source), tuple(found), columns, "row", range(1, len(rows) + 1), classes)


def _declared(feature: Any) -> ClassLabel | None:
    """What a column, or the items of its lists, are declared to be; None for no classes."""
    inside = getattr(feature, "feature", feature)
    return inside if isinstance(inside, ClassLabel) else None


def _named(places: pyarrow.ChunkedArray, names: tuple[str, ...]) -> Column:
    if _holds_lists(places):
        return [
            None
            if row is None
            else [names[place] if 0 <= place < len(names) else None for place in row]
            for row in places.to_pylist()
        ]
    known = pyarrow.array(range(len(names)), places.type)
    return pyarrow.compute.take(
        pyarrow.array(names, pyarrow.large_string()),
        pyarrow.compute.index_in(places, value_set=known),
    )


def _holds_lists(column: pyarrow.ChunkedArray) -> bool:
    kind = column.type
    return bool(
        pyarrow.types.is_list(kind)
        or pyarrow.types.is_large_list(kind)
        or pyarrow.types.is_fixed_size_list(kind)
    )
