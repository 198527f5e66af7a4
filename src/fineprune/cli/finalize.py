"""`fineprune finalize`."""

from pathlib import Path
from typing import Annotated

import typer

from fineprune.cli.options import MethodOption, ThresholdOption
from fineprune.extras import needs


def finalize(
    source: Annotated[
        Path,
        typer.Argument(help="A run, a checkpoint, or one of the original code.", metavar="SOURCE"),
    ],
    target: Annotated[Path, typer.Argument(help="The folder to write.", metavar="TARGET")],
    *,
    method: MethodOption = None,
    threshold: ThresholdOption = None,
) -> None:
    """Apply the masks for good, and write a plain Hugging Face folder."""
    with needs("train", "fineprune finalize"):
        from fineprune.pruning.finalize import finalize_folder

    density = finalize_folder(source, target, method=method, threshold=threshold)
    print(f"{target}: {density:.2%} of the prunable weights kept")
