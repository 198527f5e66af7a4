"""What a model's recipe, which goes with it, says of its texts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from fineprune.errors import UnsupportedModelError
from fineprune.packing.untrusted_yaml import load_untrusted
from fineprune.text.files import Files
from fineprune.wording import quoted

RECIPE = "recipe.yaml"

_EVEN = 0.5  # what a recipe means that names no threshold
_LARGEST = 1 << 20  # bytes of a recipe; one takes two thousand


@dataclass(frozen=True)
class TrainedText:
    """How a model's texts were made in its training; None where the recipe does not say.

    Attributes:
        kind: of the task.
        max_length: most tokens of an input.
        stride: tokens that neighbouring windows share.
        max_answer_length: longest answer in tokens.
        n_best: starts and ends looked at in each window.
        null_threshold: by how much "no answer" has to be better; None if each question has one.
        threshold: the probability from which on a label is predicted; None if a text has just one.
    """

    kind: str | None = None
    max_length: int | None = None
    stride: int | None = None
    max_answer_length: int | None = None
    n_best: int | None = None
    null_threshold: float | None = None
    threshold: float | None = None

    @classmethod
    def read(cls, files: Files) -> "TrainedText":
        """What the recipe says; nothing where there is none, or it is no recipe of this package.

        Raises:
            UnsupportedModelError: it says what cannot be.
        """
        task = _task(files)
        if not isinstance(task.get("kind"), str):
            return cls()
        unanswerable = _checked(task, "unanswerable", bool, at_least=0)
        threshold = _checked(task, "null_threshold", float, at_least=None)
        several = _checked(task, "multi_label", bool, at_least=0)
        probability = _checked(task, "threshold", float, at_least=0)
        return cls(
            kind=task["kind"],
            max_length=_checked(task, "max_length", int, at_least=1),
            stride=_checked(task, "stride", int, at_least=0),
            max_answer_length=_checked(task, "max_answer_length", int, at_least=1),
            n_best=_checked(task, "n_best", int, at_least=1),
            null_threshold=(threshold or 0.0) if unanswerable else None,
            threshold=(_EVEN if probability is None else probability) if several else None,
        )


def _task(files: Files) -> Mapping[str, Any]:
    content = files.get(RECIPE, b"")
    if len(content) > _LARGEST:
        raise UnsupportedModelError(
            f"{RECIPE} beside the model has {len(content):,} bytes; expected at most {_LARGEST:,}"
        )
    try:
        recipe = load_untrusted(content.decode("utf-8"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UnsupportedModelError(f"{RECIPE} beside the model is no YAML") from error
    task = recipe.get("task") if isinstance(recipe, dict) else None
    return task if isinstance(task, dict) else {}


def _checked(task: Mapping[str, Any], key: str, kind: type, at_least: int | None) -> Any:
    value = task.get(key)
    accepted = (int, float) if kind is float else kind
    if value is None:
        return None
    fits = isinstance(value, accepted) and isinstance(value, bool) == (kind is bool)
    if not fits or value != value or (at_least is not None and value < at_least):
        raise UnsupportedModelError(f"task.{key} in {RECIPE} beside the model is {quoted(value)}")
    return value
