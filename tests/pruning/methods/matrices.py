"""One matrix before a method, and what the method decides for it."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from fineprune.pruning import Level, Matrix, Method
from fineprune.pruning.methods import Settled


def matrix(
    weight: Tensor,
    scores: Tensor | None = None,
    *,
    mask: Tensor | None = None,
    moment: Tensor | None = None,
    kind: str = "",
) -> Matrix:
    """A matrix of which everything is kept, unless a mask says otherwise."""
    everything = torch.ones_like(weight, dtype=torch.bool)
    return Matrix(weight, scores, everything if mask is None else mask, moment, kind)


def decided(method: Method[Any], one: Matrix, level: Level) -> Settled:
    """What a method decides for a matrix that stands alone."""
    [settled] = method.settle([one], level)
    return settled


def random_scores(seed: int = 0, shape: tuple[int, int] = (30, 40)) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape).astype(np.float32))
