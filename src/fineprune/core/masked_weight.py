"""The masked weight and its straight-through gradient."""

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable


class _StraightThrough(torch.autograd.Function):
    """Keeps `weight`, `scores` and `mask` apart, so that neither gradient sees the threshold."""

    @staticmethod
    def forward(ctx: FunctionCtx, weight: Tensor, scores: Tensor, mask: Tensor) -> Tensor:
        ctx.save_for_backward(weight, mask)
        ctx.scores_dtype = scores.dtype  # type: ignore[attr-defined]
        return kept_part(weight, mask)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        (gradient,) = gradients
        weight, mask = ctx.saved_tensors
        # In the scores' own float32: a bfloat16 product would round away small gradients.
        to_scores = gradient.to(ctx.scores_dtype) * weight.to(ctx.scores_dtype)
        return kept_part(gradient, mask), to_scores, None


def masked_weight(weight: Tensor, scores: Tensor, mask: Tensor) -> Tensor:
    """W' = M * W, with dL/dW = dL/dW' * M and dL/dS = dL/dW' * W for every entry.

    The scores of pruned weights keep receiving gradients, so a pruned weight can come back, with
    the value it had (Sanh et al. 2020, equation 2 and section 4).

    Args:
        weight: array of shape `(out, in)`.
        scores: array of shape `(out, in)`, float32; only its gradient is used.
        mask: boolean array of shape `(out, in)`, without gradient.
    """
    return cast(Tensor, _StraightThrough.apply(weight, scores, mask))  # type: ignore[no-untyped-call]


def kept_part(values: Tensor, mask: Tensor) -> Tensor:
    """`values` where `mask` is true, else 0; both of one shape.

    A product of floats and booleans is the same, but PyTorch computes it up to ten times as slowly.
    """
    return torch.where(mask, values, 0)
