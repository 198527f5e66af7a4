"""Reads a recipe: a YAML file and overrides of its keys, validated once."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from fineprune.errors import RecipeError
from fineprune.files import replacing
from fineprune.tasks.recipe_file import first_fault, read_values
from fineprune.training.recipe.schema import Recipe
from fineprune.training.recipe.winner import leaves_learning_open, with_what_won

_RECIPE = TypeAdapter(Recipe)

_METHOD = "pruning.method"


def read_recipe(
    path: Path, overrides: Sequence[str] = (), *, resumed: Path | None = None
) -> Recipe:
    """Reads and validates a recipe; touches no data and no model.

    Args:
        path: a YAML file.
        overrides: `dotted.path=value` each, the value in YAML; applied in order.
        resumed: the resolved recipe of a run that is to go on: what the recipe leaves open stays
            as it was when the run began, whatever defaults are by now.

    Raises:
        RecipeError: the file cannot be read, or the first thing in it that is wrong: which key,
            which value, what is allowed.
    """
    values = read_values(path, overrides)
    if resumed is not None and resumed.is_file():
        before = resolved(read_recipe(resumed))
        values.setdefault("training", {})
        if leaves_learning_open(values):
            values = {**{key: before[key] for key in ("distillation", "augmentation")}, **values}
        # A whole section that is missing is not left open: the run would be another one.
        values = _filled(values, {key: before[key] for key in before if key in values})
    return parse_recipe(with_what_won(values), str(path))


def parse_recipe(values: dict[str, Any], source: str) -> Recipe:
    """Validates a recipe given as plain values.

    Args:
        values: the sections.
        source: what error messages call it.

    Raises:
        RecipeError: as `read_recipe`.
    """
    try:
        return _RECIPE.validate_python(values).with_learning_rate()
    except ValidationError as error:
        raise RecipeError(f"{source}: {first_fault(error, Recipe)}") from error


def resolved(recipe: Recipe) -> dict[str, Any]:
    """A recipe as plain values, every default written out."""
    plain: dict[str, Any] = _RECIPE.dump_python(recipe, mode="json")
    return plain


def write_recipe(recipe: Recipe, path: Path) -> None:
    """Writes a resolved recipe as YAML; reading it back gives an equal one."""
    with replacing(path) as temporary:
        text = yaml.safe_dump(resolved(recipe), sort_keys=False, allow_unicode=True)
        temporary.write_text(text, encoding="utf-8")


def _filled(values: dict[str, Any], before: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """The values, and those of before that they leave open; a method is one value."""
    filled = dict(before)
    for key, value in values.items():
        place = f"{path}{key}"
        earlier = before.get(key)
        if isinstance(value, dict) and isinstance(earlier, Mapping) and place != _METHOD:
            value = _filled(value, earlier, f"{place}.")
        filled[key] = value
    return filled
