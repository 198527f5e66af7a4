import dataclasses
from dataclasses import dataclass
from typing import Any

import pytest
from recipe_reference import (
    Section,
    meanings,
    method_sections,
    recipe_reference,
    recipe_sections,
)

from fineprune.pruning.methods import METHODS

SECTIONS = [*recipe_sections(), *method_sections()]


@dataclass
class Base:
    """A base.

    Attributes:
        inherited: comes from the base.
        redefined: what the base says.
    """

    inherited: int
    redefined: int


@dataclass
class Derived(Base):
    """Settings made up for this test.

    Attributes:
        redefined: what the class itself
            says, over two lines: with a colon.
        own: either a | or b.
    """

    own: float = 0.5


def test_meanings_are_those_of_the_nearest_docstring() -> None:
    assert meanings(Derived) == {
        "inherited": "comes from the base.",
        "redefined": "what the class itself says, over two lines: with a colon.",
        "own": r"either a \| or b.",
    }


def test_every_part_of_a_recipe_is_found() -> None:
    paths = [section.path for section in recipe_sections()]
    assert paths[0] == ""
    assert paths.count("task") == 5
    assert {"training", "pruning", "pruning.schedule", "distillation"} <= set(paths)
    assert len(method_sections()) == len(METHODS)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.title)
def test_every_key_has_a_meaning(section: Section) -> None:
    settings: Any = section.settings
    without = {field.name for field in dataclasses.fields(settings)} - meanings(settings).keys()
    assert not without, f"{settings.__name__} documents no {', '.join(without)}"


def test_reference_tells_defaults_and_choices() -> None:
    reference = recipe_reference()
    assert "| `model` | required |" in reference
    assert "| `keep` | `0.1` | fraction of the weights kept in the end. |" in reference
    assert "| `final_lambda` |  | weight of the penalty" in reference
    assert "One of `local`, `kind`, `global`." in reference
