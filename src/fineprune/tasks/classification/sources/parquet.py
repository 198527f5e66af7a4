"""Parquet files."""

from collections.abc import Collection

import pyarrow.parquet  # type: ignore[import-untyped]
from datasets import Features

from fineprune.errors import DataError
from fineprune.tasks.classification.sources.arrow import table_of_columns
from fineprune.tasks.classification.sources.broken import OnBroken
from fineprune.tasks.classification.sources.source import Source
from fineprune.tasks.classification.sources.table import Table


def read_parquet(source: Source, wanted: Collection[str], on_broken: OnBroken) -> Table:
    """One Parquet file; class names that `datasets` wrote into it are used.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        with pyarrow.parquet.ParquetFile(source.path) as file:
            found = file.schema_arrow.names
            table = file.read([name for name in found if name in wanted])
    except FileNotFoundError as error:
        raise DataError(f"{source}: there is no such file; check the path in the recipe") from error
    except (OSError, pyarrow.ArrowException) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"{source} cannot be read as Parquet: {reason}") from error
    columns = {name: table[name].to_pylist() for name in table.column_names}
    declared = b"huggingface" in (table.schema.metadata or {})
    features = Features.from_arrow_schema(table.schema) if declared else Features()
    return table_of_columns(source, found, columns, features, table.num_rows)
