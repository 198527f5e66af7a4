"""The `fineprune` command: its subcommands, and how its errors look."""

import os
import sys
from typing import NoReturn

import typer
from rich.console import Console
from typer.exceptions import Abort, Exit, TyperException

from fineprune.cli.count import count
from fineprune.cli.demo import demo
from fineprune.cli.evaluate import evaluate
from fineprune.cli.finalize import finalize
from fineprune.cli.pack import pack
from fineprune.cli.train import train
from fineprune.cli.unpack import unpack
from fineprune.errors import FinepruneError

app = typer.Typer(
    name="fineprune",
    help="Fine-prune a transformer encoder to a few percent of its weights.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (demo, train, evaluate, count, finalize, pack, unpack):
    app.command()(command)

_WRONG_INPUT = 2
_INTERRUPTED = 130


def main() -> NoReturn:
    """Runs a command; an error that a user can cause is one line on standard error, exit code 2."""
    # Bars of other libraries for loading and saving would tear our own progress line.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    try:
        app(standalone_mode=False)
    except Exit as end:
        sys.exit(end.exit_code)
    except (Abort, KeyboardInterrupt):
        _complain("stopped")
        sys.exit(_INTERRUPTED)
    except TyperException as error:
        said = error.format_message() or "no command given"
        _complain(f"{said}{'' if said.endswith(('.', '?')) else '.'} See fineprune --help.")
        sys.exit(_WRONG_INPUT)
    except FinepruneError as error:
        _complain(str(error))
        sys.exit(_WRONG_INPUT)
    except OSError as error:  # a folder that may not be written, a disk that is full
        _complain(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        sys.exit(_WRONG_INPUT)
    sys.exit(0)


def _complain(message: str) -> None:
    # Neither wrapped nor interpreted: it may hold brackets, and is to stay one line.
    line = " ".join(message.split())
    Console(stderr=True).print(f"fineprune: {line}", markup=False, highlight=False, soft_wrap=True)
