"""Hard-concrete gates (Louizos et al. 2018), as movement pruning used them for its L0 baseline."""

import math

import torch
from torch import Tensor

LOWER, UPPER = -0.1, 1.1
"""The interval to which the concrete distribution is stretched before it is clamped to [0, 1]."""

TEMPERATURE = 2 / 3

_NOISE_MARGIN = 1e-4


def sample_noise(scores: Tensor) -> Tensor:
    """Uniform noise for `sampled_gates`, away from 0 and 1, of the shape of `scores`."""
    return torch.empty_like(scores).uniform_(_NOISE_MARGIN, 1 - _NOISE_MARGIN)


def sampled_gates(scores: Tensor, noise: Tensor) -> Tensor:
    """Random gates for training: clamp(s (r - l) + l, 0, 1), s = sigmoid((logit(u) + S) / b).

    Args:
        scores: array of any shape; the gradient is exact.
        noise: uniform `u` of the same shape, strictly between 0 and 1.
    """
    return _stretch(torch.sigmoid((torch.logit(noise) + scores) / TEMPERATURE))


def expected_gates(scores: Tensor) -> Tensor:
    """Deterministic gates for evaluation: s = sigmoid(S), stretched and clamped; not binary."""
    return _stretch(torch.sigmoid(scores))


def open_probability(scores: Tensor) -> Tensor:
    """Probability that a sampled gate is not zero: sigmoid(S - b log(-l / r))."""
    return torch.sigmoid(scores - TEMPERATURE * math.log(-LOWER / UPPER))


def _stretch(uniform: Tensor) -> Tensor:
    return (uniform * (UPPER - LOWER) + LOWER).clamp(0, 1)
