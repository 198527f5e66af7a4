"""What the demo's models have come to, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from fineprune.pruning.checkpoint import load_model
from fineprune.pruning.counts import Counts, count
from fineprune.pruning.model_folder import model_folder
from fineprune.training.evaluate import evaluate
from fineprune.training.recipe import Recipe


@dataclass(frozen=True)
class Row:
    """One line of the demo's table: a model on the validation set.

    Attributes:
        name: what the table calls the model.
        accuracy: share of docstrings put into the right module.
        counts: what is left of its weights.
        stored_bytes: size of the file that holds its weights.
    """

    name: str
    accuracy: float
    counts: Counts
    stored_bytes: int


def measure(name: str, model: Path, recipe: Recipe) -> Row:
    """Evaluates a model folder or a packed file on a recipe's task."""
    weights = model / "model.safetensors" if model.is_dir() else model
    with model_folder(model) as folder:
        accuracy = evaluate(folder, recipe).metrics["accuracy"]
        return Row(name, accuracy, count(load_model(folder)), weights.stat().st_size)


def to_table(rows: Sequence[Row]) -> Table:
    """The rows as a table for the terminal."""
    table = Table(title="Docstrings to modules, validation set", title_justify="left")
    table.add_column("model")
    for heading in ("accuracy", "weights kept", "of", "density", "file"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(
            row.name,
            f"{row.accuracy:.1%}",
            f"{row.counts.kept:,}",
            f"{row.counts.prunable:,}",
            f"{row.counts.density:.1%}",
            f"{row.stored_bytes / 1e6:.1f} MB",
        )
    return table
