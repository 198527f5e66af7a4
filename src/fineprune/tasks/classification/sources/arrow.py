"""Typed columns, as Parquet files and data sets of the hub have them, to a table."""

from collections.abc import Mapping, Sequence

from datasets import ClassLabel, Features

from fineprune.tasks.classification.sources.source import Source
from fineprune.tasks.classification.sources.table import Table


def table_of_columns(
    source: Source,
    found: Sequence[str],
    columns: Mapping[str, Sequence[object]],
    features: Features,
    rows: int,
) -> Table:
    """Declared classes become their names; a hidden one (-1) becomes a missing value."""
    classes = {
        name: tuple(features[name].names)
        for name in columns
        if isinstance(features.get(name), ClassLabel)
    }
    named = {
        name: _names(values, classes[name]) if name in classes else values
        for name, values in columns.items()
    }
    return Table(str(source), tuple(found), named, "row", range(1, rows + 1), classes)


def _names(values: Sequence[object], names: tuple[str, ...]) -> list[str | None]:
    named: dict[object, str] = dict(enumerate(names))
    return [named.get(value) for value in values]
