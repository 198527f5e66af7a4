"""Scores as the methods that learn them share it."""

import torch
from torch import Tensor


def full_scores(weight: Tensor, value: float) -> Tensor:
    """Equal scores for a weight: float32, whatever the weight's precision.

    bfloat16 would lose an update of 1e-2, the usual learning rate of scores, above a score of 2.
    """
    return torch.full_like(weight, value, dtype=torch.float32)


def required(scores: Tensor | None) -> Tensor:
    """The scores of a method that learns them."""
    if scores is None:
        raise TypeError("this method learns scores, and was given none")
    return scores
