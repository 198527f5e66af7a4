"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

ModelArgument = Annotated[
    Path,
    typer.Argument(
        help="A run, a checkpoint, a plain folder, a packed file, or one of the original code.",
        metavar="MODEL",
    ),
]

RecipeArgument = Annotated[Path, typer.Argument(help="A recipe: a YAML file.", metavar="RECIPE")]

OverridesArgument = Annotated[
    list[str] | None,
    typer.Argument(help="Changes to the recipe, such as training.epochs=3.", metavar="KEY=VALUE"),
]

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]

MethodOption = Annotated[
    str | None,
    typer.Option(help="For checkpoints of the original code: their pruning method.", metavar="M"),
]

ThresholdOption = Annotated[
    float | None,
    typer.Option(
        help="For checkpoints of the original code: the kept fraction, or the cut, they ended at.",
        metavar="X",
    ),
]
