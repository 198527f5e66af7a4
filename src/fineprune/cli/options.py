"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated, Literal

import typer

ModelArgument = Annotated[
    Path,
    typer.Argument(
        help="A run, a checkpoint, a plain folder, a packed file, or one of the original code.",
        metavar="MODEL",
    ),
]

PackedArgument = Annotated[Path, typer.Argument(help="A packed file, or folder.", metavar="FILE")]

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

ThreadsOption = Annotated[
    int | None, typer.Option(help="Threads to run on; one for each core if not given.")
]

PrecisionOption = Annotated[
    Literal["float32", "bf16", "int8", "fast"],
    typer.Option(help="Of the arithmetic: exact, or what is measured to be fastest, or by name."),
]
