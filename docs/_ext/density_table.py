"""What densities cost and bring, from the ledger of results."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_OURS, _PRECISION = "fineprune", "fast"


def density_tables(ledger: Path) -> str:
    """A table for each run of the ledger that was measured at several densities, as Markdown.

    Of each density the packed file in the fewest bits, run in `fast`; above them the int8 models of
    other engines.

    Args:
        ledger: file of the records that `benchmarks/ledger.py` keeps.
    """
    records: dict[str, Any] = json.loads(ledger.read_text("utf-8"))
    parts = [
        "\n\n".join([f"**{record['title']}**", _table(record["frontier"])])
        for record in records.values()
        if record["frontier"] is not None
    ]
    return "\n\n".join(parts) + "\n"


def _table(frontier: Mapping[str, Any]) -> str:
    metric = frontier["metric"]
    heading = f"| kept | in | {frontier['split']} {metric} | file | ms a text | texts a second |"
    return "\n".join([heading, "|---|---|---|---|---|---|", *_rows(frontier, metric)])


def _rows(frontier: Mapping[str, Any], metric: str) -> Iterator[str]:
    dense = [p for p in frontier["points"] if p["precision"].startswith("int8")]
    ours = [p for p in frontier["points"] if (p["engine"], p["precision"]) == (_OURS, _PRECISION)]
    smallest: dict[float, Mapping[str, Any]] = {}
    for point in ours:
        best = smallest.get(point["density"])
        if best is None or point["bytes"] < best["bytes"]:
            smallest[point["density"]] = point
    for point in [*dense, *smallest.values()]:
        where = (
            f"{point['engine']}, {point['bits']} bits"
            if point["bits"]
            else f"{point['engine']} {point['precision']}"
        )
        yield (
            f"| {point['density']:.1%} | {where} | {point['metrics'][metric]:.3f} "
            f"| {point['bytes'] / 1e6:.1f} MB | {point['milliseconds']:.2f} "
            f"| {point['texts_per_second']:,.0f} |"
        )
