from collections.abc import Iterator
from typing import Annotated

import typer
from command_reference import command_reference
from typer.core import TyperGroup
from typer.main import get_command

from fineprune.cli.main import app


def undocumented(app: typer.Typer) -> Iterator[str]:
    """Commands without help, and their arguments and options without help."""
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    for name, command in group.commands.items():
        if not command.help:
            yield name
        for parameter in command.params:
            if not getattr(parameter, "help", None):
                yield f"{name} {parameter.name}"


def test_every_command_and_option_is_documented() -> None:
    assert list(undocumented(app)) == []


def test_what_has_no_documentation_is_found() -> None:
    bad = typer.Typer()

    @bad.command()
    def silent(model: str, size: Annotated[int, typer.Option(help="How large.")] = 1) -> None: ...

    @bad.command()
    def told(model: Annotated[str, typer.Argument(help="Which model.")]) -> None:
        """Tell."""

    assert list(undocumented(bad)) == ["silent", "silent model"]


def test_reference_holds_every_command() -> None:
    reference = command_reference(app)
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    for name, command in group.commands.items():
        assert f"\n## `fineprune {name}`\n" in reference
        assert command.help is not None
        assert command.help.splitlines()[0] in reference
