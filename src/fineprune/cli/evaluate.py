"""`fineprune evaluate`."""

from pathlib import Path
from typing import Annotated

import typer

from fineprune.cli.options import JsonOption, ModelArgument, OverridesArgument, RecipeArgument
from fineprune.cli.printing import print_json, print_table
from fineprune.extras import needs


def evaluate(
    model: ModelArgument,
    recipe: RecipeArgument,
    overrides: OverridesArgument = None,
    *,
    split: Annotated[str, typer.Option(help="validation or test.")] = "validation",
    predictions: Annotated[
        Path | None, typer.Option(help="Also write what the model answered, as JSON.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Evaluate a model on a recipe's task; a masked one at the level it was saved at."""
    with needs("train", "fineprune evaluate"):
        from fineprune.pruning.model_folder import model_folder
        from fineprune.training import evaluate as evaluation
        from fineprune.training.recipe import read_recipe
        from fineprune.training.run_folder import write_json

    settings, chosen = read_recipe(recipe, overrides or ()), evaluation.split_named(split)
    with model_folder(model) as folder:
        result = evaluation.evaluate(folder, settings, split=chosen)
    if predictions is not None:
        write_json(predictions, result.predictions)
    if json:
        print_json(
            {
                "metrics": result.metrics,
                "examples": result.examples,
                "density": result.density,
                "split": split,
            }
        )
        return
    rows = [[name, f"{value:.4g}"] for name, value in result.metrics.items()]
    title = f"{model}: {result.density:.2%} kept, {result.examples:,} examples of {split}"
    print_table({"metric": "left", "value": "right"}, rows, title=title)
