"""`fineprune demo`."""

from pathlib import Path
from typing import Annotated

import typer

from fineprune.extras import needs


def demo(
    output: Annotated[Path, typer.Option(help="Where to leave everything.", metavar="DIR")] = Path(
        "demo-run"
    ),
) -> None:
    """Fine-prune a real encoder on data that every Python carries; nothing is downloaded."""
    with needs("demo", "fineprune demo"):
        from fineprune.demo.run import run_demo

    run_demo(output)
