"""The tables of a report, for page and terminal alike."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fineprune.report.frontier.records import Frontier, Point
from fineprune.report.numbers import megabytes, metric, milliseconds, percent, whole
from fineprune.report.records import Duration, LogLine, ModelReport, PartBytes

_MOST_LINES = 20  # of a log in a table


@dataclass(frozen=True)
class Cell:
    """A number and how it is written."""

    value: float | None
    text: str


Row = Sequence[str | Cell]


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        caption: what it holds.
        headings: of the columns.
        rows: the first cell of each is a text; the others are numbers or texts.
        sums: rows that stay below all others, however these are sorted.
    """

    caption: str
    headings: Sequence[str]
    rows: Sequence[Row]
    sums: Sequence[Row] = ()

    @property
    def is_number(self) -> list[bool]:
        """Of each column, whether it holds numbers."""
        return [
            any(isinstance(row[i], Cell) for row in self.rows) for i in range(len(self.headings))
        ]


def frontier_table(frontier: Frontier) -> Table:
    """Points, the fastest first."""
    points = sorted(frontier.points, key=lambda one: one.milliseconds or 0.0)
    headings = ["engine", "precision", "kept", "bits", frontier.metric, "size", "one text"]
    has_batches = any(one.texts_per_second is not None for one in points)
    rows: list[Row] = [
        [
            one.engine,
            one.precision,
            _cell(one.density, percent),
            Cell(one.bits, _bits(one)),
            _cell(one.metrics.get(frontier.metric), lambda value: metric(frontier.metric, value)),
            _cell(one.bytes, megabytes),
            _cell(one.milliseconds, milliseconds),
            *([_cell(one.texts_per_second, whole)] if has_batches else []),
        ]
        for one in points
    ]
    return Table("Accuracy and cost", [*headings, *(["texts/s"] if has_batches else [])], rows)


def matrix_table(model: ModelReport) -> Table:
    """What is left of each matrix."""
    rows: list[Row] = [
        [
            one.name,
            _cell(one.kept, whole),
            _cell(one.rows * one.columns, whole),
            _cell(one.density, percent),
            _cell(one.empty_rows, whole),
            _cell(one.empty_columns, whole),
        ]
        for one in model.matrices
    ]
    headings = ["matrix", "kept", "of", "density", "empty rows", "empty cols"]
    return Table(f"All {len(rows)} matrices", headings, rows)


def bytes_table(parts: Sequence[PartBytes]) -> Table:
    """Bytes by part, and in all."""
    rows: list[Row] = [
        [
            one.part,
            _cell(one.dense, megabytes),
            _cell(one.finalized, megabytes),
            _cell(one.packed, megabytes),
            _cell(one.bound, megabytes),
        ]
        for one in parts
    ]
    columns = ("dense", "finalized", "packed")
    sums = [sum(getattr(one, column) for one in parts) for column in columns]
    whole_file: Row = ["all", *(_cell(size, megabytes) for size in sums), Cell(None, "-")]
    headings = ["part", "dense", "finalized", "packed", "entropy bound"]
    return Table("Size", headings, rows, [whole_file])


def layer_table(duration: Duration) -> Table:
    """Milliseconds of linears and attention by layer."""
    rows: list[Row] = [
        [
            f"layer {one.layer}",
            _cell(one.attention_linears, milliseconds),
            _cell(one.feed_forward_linears, milliseconds),
            _cell(one.attention, milliseconds),
        ]
        for one in duration.layers
    ]
    headings = ["layer", "attention's linears", "feed-forward linears", "attention itself"]
    return Table("Milliseconds by layer", headings, rows)


def duration_table(duration: Duration) -> Table:
    """Milliseconds of linears, attention and all else."""
    rows: list[Row] = [
        ["linears", _cell(duration.linears, milliseconds)],
        ["attention itself", _cell(duration.attention, milliseconds)],
        ["LayerNorm, activations, embeddings, head", _cell(duration.rest, milliseconds)],
    ]
    whole_text: Row = ["whole text", _cell(duration.whole, milliseconds)]
    return Table("Milliseconds", ["part", "one thread"], rows, [whole_text])


def form_table(duration: Duration) -> Table:
    """How many matrices run in each form, and how long they take together."""
    forms: dict[str, list[float]] = {}
    for one in duration.matrices:
        forms.setdefault(f"{one.form}, {one.precision}", []).append(one.milliseconds)
    rows: list[Row] = [
        [form, _cell(len(times), whole), _cell(sum(times), milliseconds)]
        for form, times in sorted(forms.items())
    ]
    return Table("How matrices run", ["form", "matrices", "together"], rows)


def plan_table(duration: Duration) -> Table:
    """How each matrix runs, and why."""
    rows: list[Row] = [
        [
            one.name,
            f"{one.form}, {one.precision}",
            _cell(one.milliseconds, milliseconds),
            one.reason,
        ]
        for one in duration.matrices
    ]
    return Table("How each matrix runs, and why", ["matrix", "runs in", "time", "why"], rows)


def log_table(log: Sequence[LogLine]) -> Table:
    """Lines of a log, some where there are many, the last one among them."""
    every = -(-len(log) // _MOST_LINES)
    lines = [*log[: len(log) - 1 : every], log[-1]]
    columns: dict[str, tuple[str, Callable[[float], str]]] = {
        "kept": ("density", percent),
        "level": ("level", _digits),
        "task loss": ("task_loss", _digits),
        "teacher": ("teacher", _digits),
        "penalty": ("penalty", _digits),
        "rate": ("learning_rate", _digits),
        "scores' rate": ("score_learning_rate", _digits),
    }
    shown = {
        heading: column
        for heading, column in columns.items()
        if any(getattr(line, column[0]) is not None for line in lines)
    }
    rows: list[Row] = [
        [
            whole(line.step),
            *(_cell(getattr(line, name), write) for name, write in shown.values()),
        ]
        for line in lines
    ]
    return Table("How it was trained", ["step", *shown], rows)


def _bits(point: Point) -> str:
    """Of layers and embeddings, as options name them."""
    if point.bits is None:
        return "-"
    return f"{point.bits}/{point.embedding_bits}"


def _cell(value: float | None, write: Callable[[Any], str]) -> Cell:
    return Cell(value, "-" if value is None else write(value))


def _digits(value: float) -> str:
    return f"{value:.3g}"
