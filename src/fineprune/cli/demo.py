"""`fineprune demo`."""

from pathlib import Path
from typing import Annotated

import typer

from fineprune.extras import needs


def demo(
    output: Annotated[Path, typer.Option(help="Where to leave everything.", metavar="DIR")] = Path(
        "demo-run"
    ),
    seed: Annotated[int, typer.Option(help="Of both trainings.")] = 1,
) -> None:
    """Fine-prune a real encoder, pack it, and explain what it brings; nothing is downloaded.

    It understands commands to a home, of some two dozen kinds. The whole path takes some minutes
    on two cores: fine-tuning, fine-pruning, packing, measuring, and a page of all of it.
    """
    with needs("demo", "fineprune demo"):
        from fineprune.demo.run import run_demo

    run_demo(output, seed=seed)
