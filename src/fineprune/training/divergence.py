"""Stops a run whose numbers are no longer finite, before they reach weights or a checkpoint."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from fineprune.errors import TrainingError

_ADVICE = "the last checkpoint is kept; lower the learning rates, or train in float32"


def require_finite_loss(loss: Tensor, parts: Mapping[str, Tensor], step: int) -> None:
    """Checks a loss.

    Args:
        loss: scalar.
        parts: what it was made of, by name.
        step: the optimizer step it is for, counted from 1.

    Raises:
        TrainingError: it is not finite; the message names the step and the parts.
    """
    if torch.isfinite(loss):
        return
    values = ", ".join(f"{name} {part.item():g}" for name, part in parts.items())
    raise TrainingError(f"step {step}: the loss is not finite ({values}); {_ADVICE}")


def require_finite_gradient(model: nn.Module, step: int) -> None:
    """Checks the gradient of a whole model, before it is clipped: that would spread a NaN.

    A finite loss can have a gradient that is not; one step later all weights are lost.

    Args:
        model: after its backward pass.
        step: the optimizer step it is for, counted from 1.

    Raises:
        TrainingError: it is not finite; the message names the step and a parameter.
    """
    named = [(name, p.grad) for name, p in model.named_parameters() if p.grad is not None]
    if torch.isfinite(nn.utils.get_total_norm([gradient for _, gradient in named])):
        return
    first = next(
        (name for name, gradient in named if not torch.isfinite(gradient).all()),
        "its norm over all parameters",
    )
    raise TrainingError(f"step {step}: the gradient is not finite (first in {first}); {_ADVICE}")


def require_finite_weights(model: nn.Module, step: int) -> None:
    """Checks the weights of a whole model: a step of finite gradients can still overflow them.

    Args:
        model: about to be saved.
        step: the optimizer step that made them, counted from 1.

    Raises:
        TrainingError: one is not finite; the message names the step and the parameter.
    """
    for name, parameter in model.named_parameters():
        if not torch.isfinite(parameter).all():
            raise TrainingError(
                f"step {step}: the weights are not finite (first {name}); {_ADVICE}"
            )
