"""What `save_pretrained` of a masked model writes: a checkpoint that is a plain model as well.

Masks stand in a checkpoint under names of their own (`...parametrizations.weight.original`), which
the classes of `transformers` do not know: they would start the matrices from random numbers. So
the file also holds the masked weights under their plain names, and whatever loads it gets the
model as it is in eval mode. Readers of this package go by the other names.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from fineprune.pruning.attach_note import note_of
from fineprune.pruning.mask import Mask, applied
from fineprune.pruning.masks import Masks, mask_of

ORIGINAL = ".parametrizations.weight.original"
"""How the name of a weight before masking ends; behind the name of its layer."""


def save_plain_weights_too(model: nn.Module) -> None:
    """Makes `save_pretrained` (and `push_to_hub`, which calls it) write plain weights as well."""
    if isinstance(model, PreTrainedModel):
        model.save_pretrained = partial(_save, model)  # type: ignore[method-assign]


def save_plainly(model: nn.Module) -> None:
    """Takes that back."""
    vars(model).pop("save_pretrained", None)


def with_plain_weights(model: nn.Module, state: dict[str, Any]) -> dict[str, Any]:
    """A state of a masked model, and the masked weights under their plain names.

    Args:
        model: the model that the state is of; it tells only which weights are masked.
        state: names to tensors, as `state_dict()` or what gathers sharded parts gives it.
    """
    plain: dict[str, Tensor] = {}
    for name, module in model.named_modules():
        mask = mask_of(module)
        if mask is not None and f"{name}{ORIGINAL}" in state:
            plain[f"{name}.weight"] = _plain_weight(name, mask, state)
    return {**state, **plain}


def is_plain_twin(name: str, names: set[str]) -> bool:
    """Whether a tensor of a masked model's file is a masked weight under its plain name."""
    layer, _, kind = name.rpartition(".")
    return kind == "weight" and f"{layer}{ORIGINAL}" in names


@torch.no_grad()
def _plain_weight(layer: str, mask: Mask, state: dict[str, Any]) -> Tensor:
    weight: Tensor = state[f"{layer}{ORIGINAL}"]
    prefix = f"{layer}.parametrizations.weight.0."
    kept = state[f"{prefix}kept"].to(weight.device)
    scores = state.get(f"{prefix}scores")
    multiplier = mask.method.multiplier(scores, kept, mask.level)
    return applied(weight, multiplier.to(weight.device))


def _save(model: PreTrainedModel, save_directory: str | Path, *args: Any, **kwargs: Any) -> Any:
    state = kwargs.pop("state_dict", None)
    if state is None:
        state = model.state_dict()
    kwargs["state_dict"] = with_plain_weights(model, state)
    note = note_of(model)
    if note is not None:
        replace(note, frozen=Masks.of(model).frozen).write(model)
    return type(model).save_pretrained(model, save_directory, *args, **kwargs)
