"""The recipes that come with the project are valid, and say what they say they say."""

import re
from pathlib import Path

import pytest

from fineprune.training.recipe import read_recipe

FOLDER = Path(__file__).resolve().parents[3] / "recipes"
RECIPES = sorted(FOLDER.glob("*.yaml"))


def test_there_are_some() -> None:
    assert RECIPES


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipe_is_valid(path: Path) -> None:
    read_recipe(path)


def overrides_of(path: Path) -> list[list[str]]:
    """The overrides that the comments of a recipe name, those of one line together."""
    comments = re.findall(r"^#(.*)", path.read_text(encoding="utf-8"), re.MULTILINE)
    found = [re.findall(r"\b([a-z_.]+)=('[^']*'|[^\s'),]*\w)", line) for line in comments]
    return [[f"{key}={value.strip(chr(39))}" for key, value in line] for line in found if line]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_overrides_in_its_comments_are_valid(path: Path) -> None:
    for overrides in overrides_of(path):
        read_recipe(path, overrides)
