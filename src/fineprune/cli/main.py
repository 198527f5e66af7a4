"""The `fineprune` command: its subcommands, and how its errors look."""

import os
import sys
from typing import NoReturn

import typer
from rich.console import Console
from typer.exceptions import Abort, TyperException

from fineprune.cli.bench import bench
from fineprune.cli.count import count
from fineprune.cli.demo import demo
from fineprune.cli.evaluate import evaluate
from fineprune.cli.finalize import finalize
from fineprune.cli.frontier import frontier
from fineprune.cli.init import init
from fineprune.cli.pack import pack
from fineprune.cli.predict import predict
from fineprune.cli.report import report
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
COMMANDS = (
    demo,
    init,
    train,
    evaluate,
    count,
    finalize,
    pack,
    unpack,
    predict,
    bench,
    frontier,
    report,
)
for command in COMMANDS:
    app.command()(command)

_WRONG_INPUT = 2
_INTERRUPTED = 130
_STOPPED = "stopped"
_VALUE_ERROR = " Value error, "  # a phrase of the library that checks options; users need it not


def main() -> NoReturn:
    """Runs a command; an error that a user can cause is one line on standard error, exit code 2."""
    # Bars of other libraries for loading and saving would tear our own progress line.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    try:
        # What an early exit came to, Ctrl-C among them; commands themselves return nothing.
        code = app(standalone_mode=False) or 0
        complaint = _STOPPED if code == _INTERRUPTED else ""
    except (Abort, KeyboardInterrupt):
        code, complaint = _INTERRUPTED, _STOPPED
    except TyperException as error:
        said = error.format_message().replace(_VALUE_ERROR, " ") or "no command given"
        end = "" if said.endswith((".", "?")) else "."
        code, complaint = _WRONG_INPUT, f"{said}{end} See fineprune --help."
    except FinepruneError as error:
        code, complaint = _WRONG_INPUT, str(error)
    except OSError as error:  # a folder that may not be written, a disk that is full
        said = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        code, complaint = _WRONG_INPUT, said
    if complaint:
        _complain(complaint)
    sys.exit(code)


def _complain(message: str) -> None:
    # Neither wrapped nor interpreted: it may hold brackets, and is to stay one line.
    line = " ".join(message.split())
    Console(stderr=True).print(f"fineprune: {line}", markup=False, highlight=False, soft_wrap=True)
