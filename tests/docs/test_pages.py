"""The code on all pages works: it is run, or checked where a test cannot run it."""

import ast
import dataclasses
import importlib
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pytest
from recipe_reference import method_sections, recipe_sections
from typer.core import TyperGroup
from typer.main import get_command

from fineprune.cli.main import app
from tests.cli.conftest import Command
from tests.docs.pages import ROOT, Block, blocks_of, pages
from tests.docs.running import Session, check_recipe, commands_of
from tests.docs.stage import NEEDS, prepare, write_stage

BLOCKS = [block for page in pages() for block in blocks_of(page)]
# In prose, tables and commands; not followed by what makes it Python or the name of a file.
RECIPE_KEY = re.compile(
    r"(?<![\w./-])((?:task|training|pruning|distillation|quantize|augmentation)(?:\.[a-z_]+)+)"
    r"(?![\w(])"
)
LANGUAGES = {"console", "python", "text", "yaml"}
EXTRAS = set(
    tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
)


def of(language: str) -> pytest.MarkDecorator:
    """Makes a test of every block of a language."""
    found = [block for block in BLOCKS if block.language == language]
    return pytest.mark.parametrize("block", found, ids=str)


def runs(page: Path) -> bool:
    """Whether there is something on a page that a test runs."""
    kinds = ("python", "console")
    return any(one.language in kinds and not one.why_not for one in blocks_of(page))


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_fences_are_understood(block: Block) -> None:
    assert block.language in LANGUAGES
    assert block.is_understood, f"{block}: {block.note!r} is no note that tests/docs/pages.py knows"


@of("yaml")
def test_recipe_is_valid(block: Block) -> None:
    check_recipe(block)


@of("python")
def test_python_names_what_there_is(block: Block) -> None:
    for node in ast.walk(ast.parse(block.text, str(block))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "fineprune":
            module = importlib.import_module(node.module or "")
            for alias in node.names:
                assert hasattr(module, alias.name), f"{node.module} has no {alias.name}"
            if node.module == "fineprune":
                assert {alias.name for alias in node.names} <= set(module.__all__)


@of("console")
def test_command_is_one_that_there_is(block: Block) -> None:
    for command in commands_of(block):
        for words in simple_commands(command.words):
            check_command(words)


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.stem)
def test_recipe_keys_are_ones_that_there_are(page: Path) -> None:
    named = set(RECIPE_KEY.findall(page.read_text("utf-8")))
    assert named <= recipe_keys()


def recipe_keys() -> set[str]:
    """All keys of a recipe by their dotted paths, those of sections among them."""
    found = set()
    for section in (*recipe_sections(), *method_sections()):
        for field in dataclasses.fields(section.settings):
            found.add(f"{section.path}.{field.name}".removeprefix("."))
    return found


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All that pages take for granted, made once."""
    folder = tmp_path_factory.mktemp("stage")
    write_stage(folder)
    return folder


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")  # of forks, from 3.12
@pytest.mark.filterwarnings("ignore:'pin_memory' argument is set:UserWarning")  # without a GPU
@pytest.mark.parametrize("page", [p for p in pages() if runs(p)], ids=lambda page: page.stem)
def test_page_can_be_followed(
    page: Path, stage: Path, fineprune: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in NEEDS.get(page.stem, ()):
        pytest.importorskip(package, reason=f"{package} is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")

    def run(*arguments: str) -> str:
        found = fineprune(*arguments)
        assert found.code == 0, f"fineprune {shlex.join(arguments)}: {found.err}"
        return found.out

    session = Session(run, tmp_path, prepare(page.stem, stage, tmp_path))
    session.follow(blocks_of(page))


def simple_commands(words: list[str]) -> Iterator[list[str]]:
    """The programs of a line that are started one after the other, or with each other."""
    command: list[str] = []
    for word in [*words, "|"]:
        if word in ("|", "&&"):
            yield command
            command = []
        else:
            command.append(word)


def check_command(words: list[str]) -> None:
    """Fails where a command names what there is not."""
    if "fineprune" in words[1:]:  # started by another program, as torchrun does
        words = words[words.index("fineprune") :]
    program, *arguments = words
    if program == "fineprune":
        group: Any = get_command(app)
        assert isinstance(group, TyperGroup)
        command = group.commands[arguments[0]]
        with command.make_context(arguments[0], arguments[1:]):
            pass  # it has taken all of them
    elif program == "pip":
        for word in arguments:
            extras = word.partition("[")[2].rstrip("]").split(",") if "fineprune[" in word else []
            assert set(extras) <= EXTRAS
    elif program == "make":
        makefile = (ROOT / "Makefile").read_text("utf-8")
        assert f"\n{arguments[0]}:" in makefile
    elif program == "python" and arguments[0].endswith(".py"):
        script = arguments[0]
        if "/" in script:
            assert (ROOT / script).is_file()
        else:
            assert script in {block.file for block in BLOCKS}
