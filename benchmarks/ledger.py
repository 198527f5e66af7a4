"""The ledger of results: takes up what was measured, and writes from it what is shown.

    python benchmarks/ledger.py add NAME RUN --title "..." --command "fineprune train ..." ...
    python benchmarks/ledger.py write

That is docs/results.md with all of it, and of one record the table in README.md and the picture
docs/frontier.svg.

`add` reads what a run left (`recipe.yaml`, `metrics.json`, and `frontier.json` of
`fineprune frontier`) and puts it into docs/results/ledger.json, in place of what stood there under
that name. `--again` names runs that differ in their seed alone: their means are shown, and those of
their teachers. The commands are those that repeat it; commit and date are today's, unless given.
"""

import json
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from picture import picture

from fineprune.files import replacing, write_json
from fineprune.report.frontier.findings import in_words
from fineprune.report.frontier.reading import frontier_from
from fineprune.report.frontier.records import OURS, Frontier, Point
from fineprune.report.machine import cpu_name
from fineprune.report.numbers import whole
from fineprune.report.tables import Cell, Table, frontier_table

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
LEDGER, HEAD, PAGE = RESULTS / "ledger.json", RESULTS / "head.md", RESULTS.with_suffix(".md")
README, PICTURE = ROOT / "README.md", ROOT / "docs" / "frontier.svg"

IN_README = "clinc150-won"
"""The record of its table and picture."""

BEGIN, END = "<!-- from docs/results/ledger.json -->", "<!-- until here -->"

_DENSE = {("torch", "float32"), ("onnxruntime", "int8"), ("openvino", "int8")}
_FEWEST_BITS = 4  # of the points of ours that are shown there

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def add(
    name: str,
    run: Path,
    *,
    title: Annotated[str, typer.Option(help="The heading above it.")],
    command: Annotated[list[str], typer.Option(help="One of those that repeat it, in order.")],
    again: Annotated[list[Path] | None, typer.Option(help="The run with another seed.")] = None,
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
        "recipe": _recipe(run),
        "metrics": _metrics(run),
        "frontier": _read_if_there(run / "frontier.json"),
    }
    if again:
        record["seeds"] = [_seed(one) for one in (run, *again)]
    write_json(LEDGER, {**_ledger(), name: record})
    write()


@app.command()
def write() -> None:
    """Write page, table and picture from the ledger."""
    ledger = _ledger()
    _write(PAGE, page(HEAD.read_text("utf-8"), ledger))
    if IN_README in ledger:
        _write(README, readme(README.read_text("utf-8"), ledger[IN_README]))
        _write(PICTURE, picture(shown(_frontier(ledger[IN_README]))))


def _write(file: Path, text: str) -> None:
    with replacing(file) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _ledger() -> dict[str, Any]:
    found: dict[str, Any] = _read_if_there(LEDGER) or {}
    return found


def _read_if_there(file: Path) -> dict[str, Any] | None:
    return json.loads(file.read_text("utf-8")) if file.exists() else None


def _recipe(run: Path) -> Any:
    return yaml.safe_load((run / "recipe.yaml").read_text("utf-8"))


def _metrics(run: Path) -> Any:
    return json.loads((run / "metrics.json").read_text("utf-8"))


def _seed(run: Path) -> dict[str, Any]:
    """What a run with one of several seeds came to, and its teacher, which lies on this machine."""
    recipe = _recipe(run)
    return {
        "seed": recipe["training"]["seed"],
        "metrics": _metrics(run)["metrics"],
        "teacher": _metrics(Path(recipe["teacher"]))["metrics"],
    }


def _commit() -> str:
    asked = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()


def _frontier(record: Mapping[str, Any]) -> Frontier:
    return frontier_from(record["frontier"], record["title"])


def page(head: str, ledger: Mapping[str, Any]) -> str:
    """The page in Markdown."""
    return "\n\n".join([head.strip(), *(section(one) for one in ledger.values())]) + "\n"


def section(record: Mapping[str, Any]) -> str:
    """One run: under which conditions, what came of it, and what repeats it."""
    return "\n\n".join(
        [
            f"## {record['title']}",
            conditions(record),
            *means(record.get("seeds", ())),
            *_of_frontier(record),
            *record["notes"],
            commands(record),
        ]
    )


def _of_frontier(record: Mapping[str, Any]) -> Sequence[str]:
    if record["frontier"] is None:
        return ()
    frontier = _frontier(record)
    return markdown(frontier_table(frontier)), *frontier.words


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
    return said + ("." if record["frontier"] is None else f"; measured {_where(record)}.")


def _where(record: Mapping[str, Any]) -> str:
    frontier = _frontier(record)
    return (
        f"on {whole(frontier.rows or 0)} texts of {frontier.split}, {frontier.machine.threads} "
        f"threads, {frontier.machine.instructions}"
    )


def means(seeds: Sequence[Mapping[str, Any]]) -> Sequence[str]:
    """Means over runs that differ in their seed, and how far apart these are; nothing of none."""
    if not seeds:
        return ()
    said = "; ".join(
        f"{name} {_mean([one['metrics'][name] for one in seeds])}, of their dense teachers "
        f"{_mean([one['teacher'][name] for one in seeds])}"
        for name in seeds[0]["metrics"]
    )
    numbers = ", ".join(str(one["seed"]) for one in seeds)
    return (f"Seeds {numbers}, means and lowest to highest: {said}.",)


def _mean(values: Sequence[float]) -> str:
    return f"{statistics.fmean(values):.4g} ({min(values):.4g} to {max(values):.4g})"


def commands(record: Mapping[str, Any], note: str = "") -> str:
    """What repeats a record."""
    return "\n".join([f"```console{note}", *(f"$ {each}" for each in record["commands"]), "```"])


def readme(text: str, record: Mapping[str, Any]) -> str:
    """A README with the table of a record between its marks, and the commands behind it."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    frontier = shown(_frontier(record))
    table = markdown(frontier_table(frontier))
    where = f"{frontier.metric.capitalize()} {_where(record)}, {record['machine']}:"
    repeats = commands(record, " not run: hours")
    lines = (where, table, *frontier.words, repeats)
    return "\n\n".join([f"{before}{BEGIN}", *lines, f"{END}{after}"])


def shown(frontier: Frontier) -> Frontier:
    """Of a frontier what a README has room for: our smallest files, and the dense model."""
    found = replace(frontier, points=[one for one in frontier.points if _is_shown(one)])
    return replace(found, words=tuple(in_words(found)))


def _is_shown(point: Point) -> bool:
    if point.engine == OURS:
        return point.precision == "fast" and point.bits == _FEWEST_BITS
    return (point.engine, point.precision) in _DENSE


def markdown(table: Table) -> str:
    """A table in Markdown, without its caption."""
    sides = ["---:" if is_number else "---" for is_number in table.is_number]
    rows = [[cell.text if isinstance(cell, Cell) else cell for cell in row] for row in table.rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in [table.headings, sides, *rows])


if __name__ == "__main__":
    app()
