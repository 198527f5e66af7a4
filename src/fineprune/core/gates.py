"""Hard-concrete gates (Louizos et al. 2018), as movement pruning used them for its L0 baseline."""

import math
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

LOWER, UPPER = -0.1, 1.1
"""The interval to which the concrete distribution is stretched before it is clamped to [0, 1]."""

TEMPERATURE = 2 / 3

CLOSED = math.log(-LOWER / UPPER)
"""The score up to which an expected gate is 0: sigmoid(S) (r - l) + l = 0 there."""

_NOISE_MARGIN = 1e-4


def sample_noise(scores: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Uniform noise for `sampled_gates`, away from 0 and 1, of the shape of `scores`.

    It has 16 random bits: one draw of 64 bits serves four entries, and drawing is most of the cost.
    """
    draws = torch.empty(-(-scores.numel() // 4), dtype=torch.int64, device=scores.device)
    draws.random_(torch.iinfo(torch.int64).min, None, generator=generator)
    uniform = draws.view(torch.int16)[: scores.numel()].view(scores.shape).to(scores.dtype)
    return uniform.add_(0.5).mul_((1 - 2 * _NOISE_MARGIN) / 2**16).add_(0.5)


def sampled_gates(scores: Tensor, noise: Tensor) -> Tensor:
    """Random gates for training: clamp(s (r - l) + l, 0, 1), s = sigmoid((logit(u) + S) / b).

    Args:
        scores: array of any shape; the gradient is exact.
        noise: uniform `u` of the same shape, strictly between 0 and 1.
    """
    return _stretch(torch.sigmoid(torch.logit(noise).add_(scores).div_(TEMPERATURE)))


def expected_gates(scores: Tensor) -> Tensor:
    """Deterministic gates for evaluation: s = sigmoid(S), stretched and clamped; not binary."""
    return _stretch(torch.sigmoid(scores))


def open_probability(scores: Tensor) -> Tensor:
    """Probability that a sampled gate is not zero: sigmoid(S - b log(-l / r))."""
    return torch.sigmoid(scores - TEMPERATURE * math.log(-LOWER / UPPER))


class _Gated(torch.autograd.Function):
    """The gradient of a gate is a function of its value: nothing but the gates is kept for it."""

    @staticmethod
    def forward(
        ctx: FunctionCtx, weight: Tensor, scores: Tensor, gates: Tensor, slope: float
    ) -> Tensor:
        ctx.save_for_backward(weight, gates)
        ctx.slope = slope  # type: ignore[attr-defined]
        return weight * gates.to(weight.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        (gradient,) = gradients
        weight, gates = ctx.saved_tensors
        to_scores = gate_gradient(gates, ctx.slope)
        to_scores.mul_(gradient).mul_(weight)
        return gradient * gates.to(gradient.dtype), to_scores, None, None


def gated_weight(weight: Tensor, scores: Tensor, gates: Tensor, *, sampled: bool) -> Tensor:
    """W' = G * W, with the exact gradients of gates that were made before.

    Args:
        weight: array of shape `(out, in)`.
        scores: array of shape `(out, in)`, float32; only its gradient is used.
        gates: `sampled_gates` or `expected_gates` of the scores, without gradient.
        sampled: which of the two.
    """
    slope = 1 / TEMPERATURE if sampled else 1.0
    return cast(Tensor, _Gated.apply(weight, scores, gates, slope))  # type: ignore[no-untyped-call]


def gate_gradient(gates: Tensor, slope: float) -> Tensor:
    """dG/dS = slope (G - l) (r - G) / (r - l), and 0 where a gate is clamped to 0 or 1.

    With s = (G - l) / (r - l), this is (r - l) s (1 - s) times the slope of the sigmoid's argument.
    """
    # (r - G) (G - l) = -G^2 + (r + l) G - r l, in as few passes over memory as there can be.
    gradient = torch.addcmul((UPPER + LOWER) * gates, gates, gates, value=-1)
    gradient.sub_(UPPER * LOWER).mul_(slope / (UPPER - LOWER))
    inside: Tensor = torch.ops.aten.hardtanh_backward(gradient, gates, 0, 1)
    return inside


def _stretch(uniform: Tensor) -> Tensor:
    return (uniform * (UPPER - LOWER)).add_(LOWER).clamp(0, 1)
