"""The ledger of results: takes up what was measured, and writes docs/results.md from it.

    python benchmarks/ledger.py add NAME RUN --title "..." --command "fineprune train ..." ...
    python benchmarks/ledger.py write

`add` reads what a run left (`recipe.yaml`, `metrics.json`, and `frontier.json` of
`fineprune frontier`) and puts it into docs/results/ledger.json, in place of what stood there under
that name. The commands are those that repeat it; commit and date are today's, unless given.
"""

import json
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from fineprune.files import replacing, write_json
from fineprune.report.machine import cpu_name

RESULTS = Path(__file__).parents[1] / "docs" / "results"
LEDGER, HEAD, PAGE = RESULTS / "ledger.json", RESULTS / "head.md", RESULTS.with_suffix(".md")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def add(
    name: str,
    run: Path,
    *,
    title: Annotated[str, typer.Option(help="The heading above it.")],
    command: Annotated[list[str], typer.Option(help="One of those that repeat it, in order.")],
    note: Annotated[list[str] | None, typer.Option(help="What a reader has to know.")] = None,
    commit: Annotated[str | None, typer.Option(help="Of the code that ran.")] = None,
) -> None:
    """Take up a run, and write the page."""
    record = {
        "title": title,
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit or _commit(),
        "machine": cpu_name(),
        "commands": command,
        "notes": note or [],
        "recipe": yaml.safe_load((run / "recipe.yaml").read_text("utf-8")),
        "metrics": json.loads((run / "metrics.json").read_text("utf-8")),
        "frontier": _read_if_there(run / "frontier.json"),
    }
    write_json(LEDGER, {**_ledger(), name: record})
    write()


@app.command()
def write() -> None:
    """Write the page from the ledger."""
    with replacing(PAGE) as temporary:
        temporary.write_text(page(HEAD.read_text("utf-8"), _ledger()), encoding="utf-8")


def _ledger() -> dict[str, Any]:
    found: dict[str, Any] = _read_if_there(LEDGER) or {}
    return found


def _read_if_there(file: Path) -> dict[str, Any] | None:
    return json.loads(file.read_text("utf-8")) if file.exists() else None


def _commit() -> str:
    asked = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()


def page(head: str, ledger: Mapping[str, Any]) -> str:
    """The page in Markdown."""
    return "\n\n".join([head.strip(), *(section(one) for one in ledger.values())]) + "\n"


def section(record: Mapping[str, Any]) -> str:
    """One run: under which conditions, what came of it, and what repeats it."""
    frontier = record["frontier"]
    return "\n\n".join(
        [
            f"## {record['title']}",
            conditions(record),
            *([] if frontier is None else [table(frontier), *frontier["in_words"]]),
            *record["notes"],
            "\n".join(["```console", *(f"$ {each}" for each in record["commands"]), "```"]),
        ]
    )


def conditions(record: Mapping[str, Any]) -> str:
    """What a figure cannot be read without."""
    training, metrics = record["recipe"]["training"], record["metrics"]
    scores = ", ".join(f"{name} {value:.4g}" for name, value in metrics["metrics"].items())
    said = (
        f"{metrics['steps']:,} steps of {training['batch_size']} in {training['precision']}, seed "
        f"{training['seed']}; {metrics['density']:.2%} kept at the end: {scores} on the "
        f"{metrics['examples']:,} validation examples. {record['date']}, commit "
        f"{record['commit']}, {record['machine']}"
    )
    frontier = record["frontier"]
    if frontier is None:
        return f"{said}."
    machine = frontier["machine"]
    return (
        f"{said}; measured on {frontier['rows']:,} texts of {frontier['split']}, "
        f"{machine['threads']} threads, {machine['instructions']}."
    )


def table(frontier: Mapping[str, Any]) -> str:
    """All points of a frontier."""
    metric = frontier["metric"]
    rows: list[Sequence[str]] = [
        ("engine", "kept", "bits, layers/embeddings", metric, "MB", "ms a text", "texts/s"),
        ("---",) * 7,
    ]
    for point in frontier["points"]:
        bits = "" if point["bits"] is None else f"{point['bits']}/{point['embedding_bits']}"
        rows.append(
            (
                f"{point['engine']} {point['precision']}",
                f"{point['density']:.1%}",
                bits,
                f"{point['metrics'][metric]:.4g}",
                f"{point['bytes'] / 1e6:.2f}",
                f"{point['milliseconds']:.2f}",
                f"{point['texts_per_second']:,.0f}",
            )
        )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    app()
