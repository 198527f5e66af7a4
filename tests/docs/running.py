"""Runs the code blocks of a page, one after the other, as a reader would."""

import io
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from fineprune.training.recipe import parse_recipe
from tests.docs.outputs import assert_shown
from tests.docs.pages import ROOT, Block

RECIPE = "recipe.yaml"
"""What a reader calls a recipe that the page gives no name."""

SECONDS = 120
_PROMPT, _CONTINUED = "$ ", "\\"
_OF_THE_REPOSITORY = ("examples/", "benchmarks/")

# What a recipe is checked with that shows some of its sections.
_OTHER_SECTIONS: dict[str, Any] = {
    "model": "bert-base-uncased",
    "task": {
        "kind": "text-classification",
        "train": "train.tsv",
        "validation": "dev.tsv",
        "text": "sentence",
        "label": "label",
    },
}


@dataclass(frozen=True)
class Command:
    """A command and the lines that the page shows below it."""

    line: str
    shown: Sequence[str]

    @property
    def words(self) -> list[str]:
        """The command, split as a shell does."""
        return shlex.split(self.line, comments=True)


def commands_of(block: Block) -> list[Command]:
    """The commands of a block of `console`."""
    found: list[tuple[str, list[str]]] = []
    is_open = False
    for line in block.text.splitlines():
        if is_open:
            before, shown = found.pop()
            found.append((f"{before.removesuffix(_CONTINUED)} {line.strip()}", shown))
        elif line.startswith(_PROMPT):
            found.append((line.removeprefix(_PROMPT), []))
        else:
            assert found, f"{block}: a line before the first command"
            found[-1][1].append(line)
        is_open = line.endswith(_CONTINUED) and (is_open or line.startswith(_PROMPT))
    return [Command(line, shown) for line, shown in found]


def check_recipe(block: Block) -> dict[str, Any]:
    """Validates a recipe, or sections of one; returns what the block says."""
    values: dict[str, Any] = yaml.safe_load(block.text)
    parse_recipe({**_OTHER_SECTIONS, **values}, str(block))
    return values


@dataclass
class Session:
    """A reader at work on a page.

    Attributes:
        fineprune: runs `fineprune` with arguments in this process; returns what it prints.
        folder: where the reader is, which holds what the page takes for granted.
        names: what Python knows.
        printed: what the last block of Python printed.
    """

    fineprune: Callable[..., str]
    folder: Path
    names: dict[str, Any] = field(default_factory=dict)
    printed: str = ""

    def follow(self, blocks: Iterable[Block]) -> None:
        """Runs all blocks that are to be run, and compares what they print with what is shown."""
        for block in blocks:
            try:
                self._run(block)
            except Exception as error:
                error.add_note(f"in {block}")
                raise

    def _run(self, block: Block) -> None:
        if block.is_output:
            assert_shown(block.text.splitlines(), self.printed, block.within)
        elif block.language == "yaml":
            self._write(block.file or RECIPE, block.text)
        elif block.file:
            self._write(block.file, block.text)
        elif block.why_not:
            pass
        elif block.language == "python":
            self._run_python(block)
        elif block.language == "console":
            for command in commands_of(block):
                said = self._said_by(command.words)
                if command.shown:
                    assert_shown(command.shown, said, block.within)

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def _run_python(self, block: Block) -> None:
        # Lines as they are numbered on the page, for tracebacks.
        code = compile("\n" * block.line + block.text, str(block.page), "exec")
        with redirect_stdout(io.StringIO()) as stream:
            exec(code, self.names)
        self.printed = stream.getvalue()

    def _said_by(self, words: list[str]) -> str:
        program, *arguments = words
        if program == "fineprune":
            return self.fineprune(*arguments)
        assert program == "python", f"nothing here runs {program}: say why the block is not run"
        script = arguments[0]
        if script.startswith(_OF_THE_REPOSITORY):
            arguments[0] = str(ROOT / script)
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONWARNINGS": "error"},
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout
