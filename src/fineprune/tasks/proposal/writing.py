"""A recipe as text, with comments."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import yaml

from fineprune.tasks.data.source import Source


@dataclass(frozen=True)
class Line:
    """A key of the section `task` with its value.

    Attributes:
        key: of it.
        value: plain, or a source.
        reasons: what stands above it as comments.
    """

    key: str
    value: Any
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class RecipeText:
    """What a recipe says.

    Attributes:
        heading: the first comment, line by line.
        model: to train from.
        model_reason: why this one.
        task: its section.
        training: its section.
        name: of the run, in commands and folders.
    """

    heading: Sequence[str]
    model: str
    model_reason: str
    task: Sequence[Line]
    training: Sequence[Line]
    name: str
    output: str = field(default="recipe.yaml")

    def __str__(self) -> str:
        return "\n".join([*self._top(), *self._sections(), *self._pruning()]) + "\n"

    def _top(self) -> list[str]:
        return [
            *map(_comment, self.heading),
            "#",
            _comment(f"  fineprune train {self.output} --output runs/{self.name}-dense"),
            _comment(f"  fineprune evaluate runs/{self.name}-dense {self.output}"),
            "#",
            "# All keys with their defaults stand in docs/recipes.md.",
            _comment(self.model_reason),
            f"model: {_yaml(self.model)}",
        ]

    def _sections(self) -> list[str]:
        lines = []
        for name, section in (("task", self.task), ("training", self.training)):
            lines.append(f"{name}:")
            for line in section:
                lines += [f"  {_comment(reason)}" for reason in line.reasons]
                lines.append(f"  {line.key}: {_yaml(line.value)}")
        return lines

    def _pruning(self) -> list[str]:
        return [
            "# This trains a dense model. Once it is good, prune it with itself as the teacher:",
            "# put its folder in the place of model, uncomment these lines, and train into",
            f"# runs/{self.name}-pruned. keep is the fraction of the weights that is left.",
            f"# teacher: runs/{self.name}-dense",
            "# pruning:",
            "#   method: {name: fisher, keep: 0.05}",
        ]


def _yaml(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, Source):
        value = _of_source(value)
    text: str = yaml.safe_dump(
        [value], default_flow_style=True, allow_unicode=True, width=10**9, sort_keys=False
    )
    return text.strip()[1:-1]


def _of_source(source: Source) -> Any:
    given = {entry.name: getattr(source, entry.name) for entry in fields(source)}
    said = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in given.items()
        if value is not None
    }
    return said["path"] if said.keys() == {"path"} else said


def _comment(text: str) -> str:
    """A comment of one line, whatever names of columns and files are in it."""
    return "# " + "".join(" " if one.isspace() else one for one in text)
