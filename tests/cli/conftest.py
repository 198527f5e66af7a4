"""The command line in this process, what its tests look at, and a workspace for runs."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from transformers.utils import logging as transformers_logging

from fineprune.cli.main import main
from tests.workspace import workspace

__all__ = ["workspace"]


@dataclass(frozen=True)
class Outcome:
    """What a command came to."""

    code: object
    out: str
    err: str


Command = Callable[..., Outcome]


@pytest.fixture
def no_bars() -> Iterator[None]:
    """What `main` asks of other libraries by the environment, which they read at their import.

    Here they may have been imported before.
    """
    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    yield
    if shown:
        transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]


@pytest.fixture
def fineprune(
    no_bars: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    """Runs `fineprune` with arguments."""
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # so that it is put back

    def run(*arguments: object) -> Outcome:
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", ["fineprune", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        return Outcome(end.value.code, *capfd.readouterr())

    return run


def write(values: dict[str, Any], folder: Path) -> Path:
    """A recipe's file."""
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def names(folder: Path) -> set[str]:
    """What a folder holds."""
    return {path.name for path in folder.iterdir()}


def one_object(text: str) -> dict[str, Any]:
    """The one JSON object that the text is."""
    assert len(text.splitlines()) == 1
    found = json.loads(text, parse_constant=pytest.fail)
    assert isinstance(found, dict)
    return found


def assert_one_line(fineprune: Command, *arguments: object, said: str) -> None:
    """A command that fails, and tells why on one line."""
    found = fineprune(*arguments)
    assert found.code == 2
    assert found.out == ""
    [line] = found.err.splitlines()
    assert line.startswith("fineprune: ")
    assert said in line
