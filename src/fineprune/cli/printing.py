"""How results look on the terminal."""

import json
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text


def print_json(values: Mapping[str, Any]) -> None:
    """One JSON object on standard output."""
    print(json.dumps(values, ensure_ascii=False))


def print_table(columns: Mapping[str, str], rows: list[list[str]], *, title: str = "") -> None:
    """A table on standard output.

    Args:
        columns: each column's heading, with its justification (`left` or `right`).
        rows: the cells.
        title: what stands above it.
    """
    if title:  # not the table's own, which would be wrapped to its width
        print(title)
    table = Table()
    for heading, justify in columns.items():
        # Folded where there is no room: a name that is cut is of no use.
        table.add_column(
            heading, justify="right" if justify == "right" else "left", overflow="fold"
        )
    for row in rows:
        table.add_row(*map(Text, row))  # as they are: brackets and colons are no markup
    Console().print(table)


def note(line: str) -> None:
    """A line on standard error: what a person should know, while results go elsewhere."""
    Console(stderr=True).print(line, markup=False, highlight=False, soft_wrap=True)
