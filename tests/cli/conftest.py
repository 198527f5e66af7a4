"""The command line in this process, and a workspace for runs."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

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
def fineprune(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Runs `fineprune` with arguments."""
    # A terminal wide enough for tables with long names; set here, and so put back.
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")

    def run(*arguments: object) -> Outcome:
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", ["fineprune", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        return Outcome(end.value.code, *capfd.readouterr())

    return run
