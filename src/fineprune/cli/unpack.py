"""`fineprune unpack`."""

from pathlib import Path
from typing import Annotated

import typer

from fineprune.cli.options import PackedArgument
from fineprune.packing import unpack as unpack_file


def unpack(
    file: PackedArgument,
    target: Annotated[Path, typer.Argument(help="The folder to write.", metavar="TARGET")],
) -> None:
    """Write a packed model as a plain Hugging Face folder."""
    unpack_file(file, target)
    print(f"{target}: unpacked from {file}")
