"""`fineprune evaluate`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fineprune.cli.options import (
    JsonOption,
    ModelArgument,
    OverridesArgument,
    PrecisionOption,
    RecipeArgument,
    ThreadsOption,
)
from fineprune.cli.printing import note, print_json, print_table
from fineprune.errors import RecipeError
from fineprune.extras import needs
from fineprune.files import require_place, write_json

if TYPE_CHECKING:
    from fineprune.engine.native import Precision
    from fineprune.tasks.base import Evaluation


def evaluate(
    model: ModelArgument,
    recipe: RecipeArgument,
    overrides: OverridesArgument = None,
    *,
    split: Annotated[str, typer.Option(help="validation or test.")] = "validation",
    predictions: Annotated[
        Path | None, typer.Option(help="Also write what the model answered, as JSON.")
    ] = None,
    engine: Annotated[
        bool, typer.Option("--engine", help="Run a packed file in the engine, without PyTorch.")
    ] = False,
    precision: PrecisionOption = "float32",
    threads: ThreadsOption = None,
    json: JsonOption = False,
) -> None:
    """Evaluate a model on a recipe's task; a masked one at the level it was saved at.

    No other split than the one that is scored is read. Precision and threads are the engine's.
    """
    if predictions is not None:
        require_place(predictions)  # before anything is scored
    if engine:
        result = _in_engine(model, recipe, overrides or (), split, precision, threads)
    elif precision != "float32" or threads is not None:
        raise RecipeError(
            "--precision and --threads are for --engine; in PyTorch, set "
            "training.precision and OMP_NUM_THREADS"
        )
    else:
        result = _in_pytorch(model, recipe, overrides or (), split)
    for line in result.notes:
        note(line)
    if predictions is not None:
        write_json(predictions, result.predictions)
    if json:
        print_json(
            {
                "metrics": result.metrics,
                "examples": result.examples,
                "density": result.density,
                "split": split,
                "notes": list(result.notes),
            }
        )
        return
    rows = [[name, f"{value:.4g}"] for name, value in result.metrics.items()]
    title = f"{model}\n{result.density:.2%} kept, {result.examples:,} examples of {split}"
    print_table({"metric": "left", "value": "right"}, rows, title=title)


def _in_engine(
    model: Path,
    recipe: Path,
    overrides: Sequence[str],
    split: str,
    precision: "Precision",
    threads: int | None,
) -> "Evaluation":
    with needs("tasks", "fineprune evaluate --engine"):
        from fineprune.report.accuracy import accuracy_in_engine
        from fineprune.tasks.base import split_named
        from fineprune.tasks.recipe_file import read_task

    settings, chosen = read_task(recipe, overrides), split_named(split)
    return accuracy_in_engine(model, settings, split=chosen, precision=precision, threads=threads)


def _in_pytorch(model: Path, recipe: Path, overrides: Sequence[str], split: str) -> "Evaluation":
    with needs("train", "fineprune evaluate"):
        from fineprune.pruning.model_folder import model_folder
        from fineprune.tasks.base import split_named
        from fineprune.training import evaluate as evaluation
        from fineprune.training.recipe import read_recipe

    settings, chosen = read_recipe(recipe, overrides), split_named(split)
    with model_folder(model) as folder:
        return evaluation.evaluate(folder, settings, split=chosen)
