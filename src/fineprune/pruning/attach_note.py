"""The note in a model's config that says which method its masks follow.

A checkpoint of a masked model holds scores and levels among its weights; what they mean stands in
its `config.json`, so that nobody has to retype it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from torch import nn
from transformers import PreTrainedModel

from fineprune.errors import CheckpointError, RecipeError
from fineprune.pruning.methods import Method, method_from_settings, settings_of
from fineprune.pruning.one_line import one_line

CONFIG_KEY = "pruning"


@dataclass(frozen=True)
class AttachNote:
    """What `attach` was called with."""

    method: Method
    include: Sequence[str]
    exclude: Sequence[str]

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The note of a config that holds one.

        Raises:
            CheckpointError: the note is damaged.
        """
        note = config[CONFIG_KEY]
        try:
            method = method_from_settings(note["method"])
            return cls(method, _patterns(note["include"]), _patterns(note["exclude"]))
        except (KeyError, TypeError, ValueError, RecipeError) as error:
            raise CheckpointError(
                f"config.json: {CONFIG_KEY}: not as written: {one_line(error)}"
            ) from error

    def write(self, model: nn.Module) -> None:
        """Puts the note into the config of a `transformers` model; other models have none."""
        if isinstance(model, PreTrainedModel):
            note = {"include": list(self.include), "exclude": list(self.exclude)}
            setattr(model.config, CONFIG_KEY, {"method": settings_of(self.method), **note})


def _patterns(value: object) -> list[str]:
    if isinstance(value, list) and all(isinstance(pattern, str) for pattern in value):
        return value
    raise TypeError(f"expected a list of patterns, found {value!r}")


def erase_note(model: nn.Module) -> None:
    """Takes the note away again."""
    if isinstance(model, PreTrainedModel) and CONFIG_KEY in vars(model.config):
        delattr(model.config, CONFIG_KEY)
