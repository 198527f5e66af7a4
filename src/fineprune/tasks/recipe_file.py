"""A recipe's file: its values with overrides, and what is wrong with them, in one line.

What is read here needs no PyTorch: evaluation in the engine takes the section `task` and leaves the
others alone.
"""

import dataclasses
import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args, get_type_hints

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from pydantic_core import ArgsKwargs, ErrorDetails

from fineprune.errors import RecipeError
from fineprune.tasks.registry import TaskSettings
from fineprune.wording import listed, quoted

_EXPECTATIONS = {
    "dataclass_type": "expected a mapping of keys to values",
    "model_attributes_type": "expected a mapping of keys to values",
    "tuple_type": "expected a list",
}
"""What YAML calls that which the validator calls otherwise, by kind of error."""


@dataclass(frozen=True, config=ConfigDict(extra="ignore"))
class _WithTask:
    """A recipe of which only one section is looked at."""

    task: TaskSettings


_WITH_TASK = TypeAdapter(_WithTask)


def read_task(path: Path, overrides: Sequence[str] = ()) -> TaskSettings:
    """The section `task` of a recipe.

    Args:
        path: a YAML file.
        overrides: as for `read_values`.

    Raises:
        RecipeError: the file cannot be read, or the first thing in that section that is wrong.
    """
    values = read_values(path, overrides)
    try:
        return _WITH_TASK.validate_python(values).task
    except ValidationError as error:
        raise RecipeError(f"{path}: {first_fault(error, _WithTask)}") from error


def read_values(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The sections of a recipe as plain values.

    Args:
        path: a YAML file.
        overrides: `dotted.path=value` each, the value in YAML; applied in order.

    Raises:
        RecipeError: the file cannot be read, or an override is none.
    """
    values = _read_yaml(path)
    for override in overrides:
        _override(values, override)
    return values


def first_fault(error: ValidationError, root: type[Any]) -> str:
    """The first thing that is wrong, in one line: the key, the value, what is allowed.

    Args:
        error: of the validation.
        root: the dataclass that describes what was validated.
    """
    return _sentence(error.errors()[0], root)


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


def _sentence(error: ErrorDetails, root: type[Any]) -> str:
    """One line: the key, the value, what is allowed."""
    path = [str(part) for part in error["loc"] if part not in _KINDS]
    key = ".".join(path)
    if error["type"] == "unexpected_keyword_argument":
        return _unknown_key(path, error["loc"], root)
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


def _unknown_key(path: list[str], location: tuple[int | str, ...], root: type[Any]) -> str:
    known = [field.name for field in dataclasses.fields(_section_at(location[:-1], root))]
    close = difflib.get_close_matches(path[-1], known, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"{'.'.join(path)}: unknown key{hint} (known here: {', '.join(known)})"


def _section_at(location: tuple[int | str, ...], root: type[Any]) -> type[Any]:
    """The dataclass that describes the section at a location in a recipe."""
    sections: list[type[Any]] = [root]
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
