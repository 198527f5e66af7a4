"""The reference of commands, written from the command line's own help."""

import typer
from typer.cli import get_docs_for_click
from typer.main import get_command


def command_reference(app: typer.Typer) -> str:
    """Usage, arguments and options of all commands, as Markdown."""
    command = get_command(app)
    context = typer.Context(command)
    return get_docs_for_click(obj=command, ctx=context, name="fineprune", title="Commands")
