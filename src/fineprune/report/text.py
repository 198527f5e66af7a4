"""A report for a terminal, or a log: tables and sentences within 80 columns."""

import textwrap
from collections.abc import Iterator

from fineprune.report import tables
from fineprune.report.frontier.findings import conditions
from fineprune.report.frontier.records import Frontier
from fineprune.report.numbers import metric, percent
from fineprune.report.records import ModelReport, Report
from fineprune.report.tables import Table

_WIDTH = 80


def to_text(report: Report) -> str:
    """The report as lines of at most 80 columns, but for paths and other names that are longer."""
    parts = [line for frontier in report.frontiers for line in _frontier(frontier)]
    for model in report.models:
        parts += _model(model)
    return "\n".join(parts).rstrip("\n") + "\n"


def frontier_lines(frontier: Frontier) -> Iterator[str]:
    """How it was measured, its table, and what it says in words."""
    yield from _frontier(frontier)
    for sentence in frontier.words:
        yield from _wrapped(sentence)


def _frontier(frontier: Frontier) -> Iterator[str]:
    yield "What it brings"
    yield from _wrapped(conditions(frontier))
    yield from table_lines(tables.frontier_table(frontier))


def _model(model: ModelReport) -> Iterator[str]:
    yield f"{model.name}: {model.architecture}, a {model.kind}, {percent(model.density)} kept"
    if model.metrics:
        said = ", ".join(f"{name} {metric(name, value)}" for name, value in model.metrics.items())
        yield from _wrapped(f"Recorded with it: {said}")
    for sentence in model.words:
        yield from _wrapped(f"- {sentence}", indent="  ")
    yield ""
    yield from table_lines(tables.matrix_table(model))
    yield from table_lines(tables.bytes_table(model.bytes))
    if model.duration:
        yield from table_lines(tables.duration_table(model.duration))
        yield from table_lines(tables.form_table(model.duration))
        yield from table_lines(tables.layer_table(model.duration))
    if model.log:
        yield from table_lines(tables.log_table(model.log))


def table_lines(table: Table) -> Iterator[str]:
    """A table, its caption first; an empty line ends it.

    Columns have two spaces between them: fewer signs than frames, and easy to search in.
    """
    rows = [
        list(table.headings),
        *([_text(cell) for cell in row] for row in (*table.rows, *table.sums)),
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(len(table.headings))]
    yield table.caption
    for number, row in enumerate(rows):
        cells = (
            cell.rjust(width) if is_number else cell.ljust(width)
            for cell, width, is_number in zip(row, widths, table.is_number, strict=True)
        )
        yield f"  {'  '.join(cells)}".rstrip()
        if number == 0:
            yield f"  {'  '.join('-' * width for width in widths)}"
    yield ""


def _text(cell: str | tables.Cell) -> str:
    return cell if isinstance(cell, str) else cell.text


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
