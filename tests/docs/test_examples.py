"""The examples in README and documentation are ones that work."""

import ast
import re
from pathlib import Path

import pytest
import yaml

import fineprune
from fineprune.training.recipe import parse_recipe

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def examples(language: str) -> list[tuple[str, str]]:
    """Name and text of every fenced block of a language."""
    fence = re.compile(rf"^```{language}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [
        (f"{page.stem} {number}", text)
        for page in PAGES
        for number, text in enumerate(fence.findall(page.read_text(encoding="utf-8")), 1)
    ]


@pytest.mark.parametrize(("name", "text"), examples("yaml"))
def test_recipe_is_valid(name: str, text: str) -> None:
    parse_recipe(yaml.safe_load(text), name)


@pytest.mark.parametrize(("name", "text"), examples("python"))
def test_imported_names_are_public(name: str, text: str) -> None:
    for node in ast.walk(ast.parse(text, name)):
        if isinstance(node, ast.ImportFrom) and node.module == "fineprune":
            assert {alias.name for alias in node.names} <= set(fineprune.__all__)
