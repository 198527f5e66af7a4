"""`fineprune train`."""

from pathlib import Path
from typing import Annotated

import typer

from fineprune.cli.options import OverridesArgument, RecipeArgument
from fineprune.cli.printing import note
from fineprune.extras import needs


def train(
    recipe: RecipeArgument,
    output: Annotated[Path, typer.Option(help="The run's folder: new, or empty.", metavar="DIR")],
    overrides: OverridesArgument = None,
    *,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint in DIR.")
    ] = False,
) -> None:
    """Fine-prune a model as a recipe says.

    Leaves the model with its masks, metrics.json, predictions.json, trainer_state.json (the log)
    and the resolved recipe in DIR, beside the checkpoints.
    """
    with needs("train", "fineprune train"):
        from accelerate import PartialState

        from fineprune.training.recipe import read_recipe
        from fineprune.training.run import run
        from fineprune.training.run_folder import RECIPE_FILE

    settings = read_recipe(
        recipe, overrides or (), resumed=output / RECIPE_FILE if resume else None
    )
    result = run(settings, output, resume=resume, say=note)
    if not PartialState().is_main_process:
        return
    metrics = ", ".join(f"{name} {value:.4g}" for name, value in result.metrics.items())
    print(f"{output}: {result.density:.2%} kept{', ' if metrics else ''}{metrics}")
