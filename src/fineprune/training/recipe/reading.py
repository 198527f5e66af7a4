"""Reads a recipe: a YAML file and overrides of its keys, validated once."""

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_type_hints

import yaml
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ArgsKwargs, ErrorDetails

from fineprune.errors import RecipeError
from fineprune.files import replacing
from fineprune.tasks.registry import TaskSettings
from fineprune.training.recipe.schema import Recipe
from fineprune.wording import listed, quoted

_RECIPE = TypeAdapter(Recipe)

_METHOD = "pruning.method"

_EXPECTATIONS = {
    "dataclass_type": "expected a mapping of keys to values",
    "model_attributes_type": "expected a mapping of keys to values",
    "tuple_type": "expected a list",
}
"""What YAML calls that which the validator calls otherwise, by kind of error."""


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
    values = _read_yaml(path)
    for override in overrides:
        _override(values, override)
    if resumed is not None and resumed.is_file():
        before = resolved(read_recipe(resumed))
        values.setdefault("training", {})
        # A whole section that is missing is not left open: the run would be another one.
        values = _filled(values, {key: before[key] for key in before if key in values})
    return parse_recipe(values, str(path))


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
        raise RecipeError(f"{source}: {_sentence(error.errors()[0])}") from error


def resolved(recipe: Recipe) -> dict[str, Any]:
    """A recipe as plain values, every default written out."""
    plain: dict[str, Any] = _RECIPE.dump_python(recipe, mode="json")
    return plain


def write_recipe(recipe: Recipe, path: Path) -> None:
    """Writes a resolved recipe as YAML; reading it back gives an equal one."""
    with replacing(path) as temporary:
        text = yaml.safe_dump(resolved(recipe), sort_keys=False, allow_unicode=True)
        temporary.write_text(text, encoding="utf-8")


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RecipeError(f"{path}: no such recipe; recipes/ holds some to start from") from error
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise RecipeError(
            f"{path}: expected sections such as model, task and training, found "
            f"{type(values).__name__}"
        )
    return values


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


def _override(values: dict[str, Any], override: str) -> None:
    path, equals, text = override.partition("=")
    keys = path.split(".")
    if not equals or not all(keys):
        raise RecipeError(
            f"{override!r}: expected key=value, such as training.epochs=3 or model=my/folder"
        )
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"{override!r}: {text!r} is not a YAML value") from error
    section = values
    for depth, key in enumerate(keys[:-1], 1):
        if section.get(key) is None:
            section[key] = {}
        section = section[key]
        if not isinstance(section, dict):
            parent = ".".join(keys[:depth])
            raise RecipeError(f"{override!r}: {parent} is {section!r}, which has no keys")
    section[keys[-1]] = value


def _sentence(error: ErrorDetails) -> str:
    """One line: the key, the value, what is allowed."""
    path = [str(part) for part in error["loc"] if part not in _KINDS]
    key = ".".join(path)
    if error["type"] == "unexpected_keyword_argument":
        return _unknown_key(path, error["loc"])
    if error["type"] in ("missing", "missing_argument"):
        return f"{key}: missing; a recipe needs it"
    if error["type"].startswith("union_tag_"):
        found = quoted(error.get("ctx", {}).get("tag"))
        return f"{key}.kind: expected one of {listed(sorted(_KINDS))}, found {found}"
    return f"{key}: {_complaint(error)}" if key else _complaint(error)


def _complaint(error: ErrorDetails) -> str:
    message, found = _EXPECTATIONS.get(error["type"], error["msg"]), error["input"]
    if error["type"] == "value_error":
        message = message.removeprefix("Value error, ")
        if quoted(found) in message:
            return message
    if isinstance(found, dict | ArgsKwargs):
        return message
    return f"{message[0].lower()}{message[1:]}, found {quoted(found)}"


def _unknown_key(path: list[str], location: tuple[int | str, ...]) -> str:
    known = [field.name for field in dataclasses.fields(_section_at(location[:-1]))]
    close = difflib.get_close_matches(path[-1], known, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"{'.'.join(path)}: unknown key{hint} (known here: {', '.join(known)})"


def _section_at(location: tuple[int | str, ...]) -> type[Any]:
    """The dataclass that describes the section at a location in a recipe."""
    sections: list[type[Any]] = [Recipe]
    for part in location:
        if part in _KINDS:
            sections = [section for section in sections if section.kind == part]
        elif part in (hints := get_type_hints(sections[0])):
            sections = _dataclasses_in(hints[part])
        # Else an index or a name within a collection of such sections.
    return sections[0]


def _dataclasses_in(annotation: Any) -> list[type[Any]]:
    if dataclasses.is_dataclass(annotation) and isinstance(annotation, type):
        return [annotation]
    return [found for part in get_args(annotation) for found in _dataclasses_in(part)]


_KINDS = frozenset(section.kind for section in _dataclasses_in(TaskSettings))
