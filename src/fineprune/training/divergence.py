"""Stops a run whose numbers are no longer finite, before they reach weights or a checkpoint."""

from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor, nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from typing_extensions import override

from fineprune.errors import TrainingError


def require_finite(loss: Tensor, parts: Mapping[str, Tensor], step: int) -> None:
    """Checks a loss.

    Args:
        loss: scalar.
        parts: what it was made of, by name.
        step: the optimizer step it is for, counted from 0.

    Raises:
        TrainingError: it is not finite; the message names the step and the part.
    """
    if torch.isfinite(loss):
        return
    values = ", ".join(f"{name} {float(part):g}" for name, part in parts.items())
    raise TrainingError(f"step {step}: the loss is not finite ({values}); {_ADVICE}")


@final
class FiniteGradientCallback(TrainerCallback):
    """Looks at the gradients before each optimizer step.

    A finite loss can have a gradient that is not; one step later all weights are lost, and a
    checkpoint may have been written of them. Under float16 the gradient scaler does this itself.
    """

    @override
    def on_pre_optimizer_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        if args.fp16:
            return
        model: nn.Module = kwargs["model"]
        named = [(n, p.grad) for n, p in model.named_parameters() if p.grad is not None]
        if torch.isfinite(nn.utils.get_total_norm([gradient for _, gradient in named])):
            return
        first = next(
            (name for name, gradient in named if not torch.isfinite(gradient).all()),
            "a sum over all parameters",
        )
        raise TrainingError(
            f"step {state.global_step}: the gradient is not finite (first in {first}); {_ADVICE}"
        )


_ADVICE = "the last checkpoint is kept; lower the learning rates, or train in float32"
