"""The reference of recipe keys, written from the dataclasses that validate recipes."""

import dataclasses
import inspect
import re
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin, get_type_hints

import yaml
from pydantic.fields import FieldInfo

from fineprune.pruning.methods import METHODS
from fineprune.training.recipe import Recipe

_ATTRIBUTE = re.compile(r"^    (\w+): (.*(?:\n {5,}.*)*)", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of a recipe that one dataclass describes.

    Attributes:
        path: dotted path of the section; empty for the top of the file.
        choice: which of several forms of the section this is, in words; empty if there is one.
        settings: the dataclass.
    """

    path: str
    choice: str
    settings: type[Any]

    @property
    def title(self) -> str:
        """The heading of the section."""
        return (f"`{self.path}`" if self.path else "Sections") + self.choice


def recipe_reference() -> str:
    """Tables of all keys of a recipe, as Markdown."""
    return "\n".join(_markdown(section) for section in (*recipe_sections(), *method_sections()))


def recipe_sections() -> list[Section]:
    """All sections of a recipe, from the top down; each dataclass where it first occurs."""
    found: dict[type[Any], Section] = {}
    for section in _walk(Section("", "", Recipe)):
        found.setdefault(section.settings, section)
    return list(found.values())


def method_sections() -> list[Section]:
    """One section a pruning method."""
    return [
        Section("pruning.method", f", `name: {name}`", method) for name, method in METHODS.items()
    ]


def meanings(settings: type[Any]) -> dict[str, str]:
    """What the docstrings of a dataclass and its bases say of each field."""
    found: dict[str, str] = {}
    for base in reversed(settings.__mro__):
        _, _, attributes = inspect.cleandoc(base.__doc__ or "").partition("\nAttributes:\n")
        for name, text in _ATTRIBUTE.findall(attributes):
            found[name] = " ".join(text.split()).replace("|", r"\|")  # a bar would end the cell
    return found


def _walk(section: Section) -> Iterator[Section]:
    yield section
    for name, annotation in get_type_hints(section.settings).items():
        for settings in _dataclasses_in(annotation):
            kind = getattr(settings, "kind", None)
            choice = f", `kind: {kind}`" if kind else section.choice
            path = f"{section.path}.{name}".removeprefix(".")
            yield from _walk(Section(path, choice, settings))


def _dataclasses_in(annotation: Any) -> list[type[Any]]:
    if isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
        return [annotation]
    return [found for part in get_args(annotation) for found in _dataclasses_in(part)]


def _markdown(section: Section) -> str:
    about, _, _ = inspect.cleandoc(section.settings.__doc__ or "").partition("\nAttributes:\n")
    hints, texts = get_type_hints(section.settings), meanings(section.settings)
    rows = [
        f"| `{field.name}` | {_default(field)} | {texts[field.name]}{_choices(hints[field.name])} |"
        for field in dataclasses.fields(section.settings)
    ]
    table = ["| key | default | meaning |", "|---|---|---|", *rows]
    return "\n".join([f"### {section.title}", "", about.strip(), "", *table, ""])


def _default(field: dataclasses.Field[Any]) -> str:
    default = field.default
    if isinstance(default, FieldInfo):
        default = dataclasses.MISSING if default.is_required() else default.default
    if default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
        return "required"
    if default in (None, (), dataclasses.MISSING) or dataclasses.is_dataclass(default):
        return ""
    value = list(default) if isinstance(default, tuple) else default
    text = yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n").strip()
    return f"`{text}`"


def _choices(annotation: Any) -> str:
    values = get_args(annotation) if get_origin(annotation) is Literal else ()
    return f" One of {', '.join(f'`{value}`' for value in values)}." if len(values) > 1 else ""
