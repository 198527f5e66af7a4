"""Masks applied for good."""

from typing import TypeVar

import torch
from torch import nn

from fineprune.pruning.attach import detach
from fineprune.pruning.masks import Masks

Model = TypeVar("Model", bound=nn.Module)


@torch.no_grad()
def finalize(model: Model) -> Model:
    """Multiplies every masked weight by its mask and takes the masks off, in place.

    The result is a plain model that computes what the masked one did in eval mode; its pruned
    weights are exact zeros. (L0's gates are not binary: they scale the weights they keep.)

    Returns:
        The same model, for `finalize(model).save_pretrained(folder)`.

    Raises:
        TargetError: the model has no masks.
    """
    for one in Masks.of(model):
        # In the weight's own precision, as the masked layer multiplies.
        one.weight.mul_(one.multiplier().to(one.weight.dtype))
    return detach(model)
