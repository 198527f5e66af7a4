"""Notes in a model's config: which method its masks follow, and what was pruned of it.

A checkpoint of a masked model holds scores and levels among its weights; what they mean stands in
its `config.json`, so that nobody has to retype it. A finalized model keeps what says which of its
weights were prunable, so that they are counted as before.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from torch import nn
from transformers import PreTrainedModel

from fineprune.errors import CheckpointError, RecipeError
from fineprune.pruning.methods import Method, method_from_settings, settings_of
from fineprune.pruning.one_line import one_line

CONFIG_KEY = "pruning"
FINALIZED_KEY = "pruned"


@dataclass(frozen=True)
class AttachNote:
    """What `attach` was called with, and whether the masks were frozen since."""

    method: Method[Any]
    include: Sequence[str]
    exclude: Sequence[str]
    frozen: bool = False

    @classmethod
    def from_config(cls, config: Mapping[str, Any], key: str = CONFIG_KEY) -> Self:
        """The note of a config that holds one.

        Raises:
            CheckpointError: the note is damaged.
        """
        note = config[key]
        try:
            method = method_from_settings(note["method"])
            frozen = bool(note.get("frozen", False))
            return cls(method, _patterns(note["include"]), _patterns(note["exclude"]), frozen)
        except (KeyError, TypeError, ValueError, RecipeError) as error:
            raise CheckpointError(
                f"config.json: {key}: not as written: {one_line(error)}"
            ) from error

    def write(self, model: nn.Module, key: str = CONFIG_KEY) -> None:
        """Puts the note into the config of a `transformers` model; other models have none."""
        if isinstance(model, PreTrainedModel):
            note: dict[str, Any] = {
                "method": settings_of(self.method),
                "include": list(self.include),
                "exclude": list(self.exclude),
            }
            if self.frozen:
                note["frozen"] = True
            setattr(model.config, key, note)


def _patterns(value: object) -> list[str]:
    if isinstance(value, list) and all(isinstance(pattern, str) for pattern in value):
        return value
    raise TypeError(f"expected a list of patterns, found {value!r}")


def note_of(model: nn.Module, key: str = CONFIG_KEY) -> AttachNote | None:
    """The note in a model's config, or None.

    Raises:
        CheckpointError: the note is damaged.
    """
    config = vars(model.config) if isinstance(model, PreTrainedModel) else {}
    return AttachNote.from_config(config, key) if config.get(key) else None


def erase_note(model: nn.Module, key: str = CONFIG_KEY) -> None:
    """Takes the note away again."""
    if isinstance(model, PreTrainedModel) and key in vars(model.config):
        delattr(model.config, key)


def frozen_in(folder: Path) -> bool:
    """Whether the config in a folder says that the masks of its model were frozen."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return bool(config[CONFIG_KEY].get("frozen", False))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
