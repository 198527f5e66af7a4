"""Rows of equal length under column names, to a table."""

from collections.abc import Collection, Iterable, Sequence

from fineprune.tasks.classification.sources.broken import BrokenRow, OnBroken
from fineprune.tasks.classification.sources.table import Table, Unit
from fineprune.wording import listed


def table_of_records(
    source: str,
    unit: Unit,
    names: Sequence[str],
    records: Iterable[tuple[int, Sequence[object]]],
    wanted: Collection[str],
    on_broken: OnBroken,
) -> Table:
    """Keeps the wanted columns of numbered records; a record of another length is broken."""
    positions = {name: i for i, name in enumerate(names) if name in wanted}
    columns: dict[str, list[object]] = {name: [] for name in positions}
    numbers = []
    for number, record in records:
        if len(record) != len(names):
            reason = f"{len(record)} fields where {len(names)} are expected ({listed(names)})"
            on_broken(BrokenRow(source, f"{unit} {number}", reason))
            continue
        numbers.append(number)
        for name, position in positions.items():
            columns[name].append(record[position])
    return Table(source, tuple(names), columns, unit, numbers)
