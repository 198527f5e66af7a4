"""Penalties that push scores down; each is a mean over matrices of a mean over entries.

All are computed in float32, whatever precision the model trains in: a sum over millions of
entries overflows float16 and loses its last digits in bfloat16.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from fineprune.core.gates import open_probability


def sigmoid_penalty(scores: Sequence[Tensor]) -> Tensor:
    """Mean over matrices of mean(sigmoid(S)) (Sanh et al. 2020, section 4). Scalar float32."""
    return _mean_of_means(scores, torch.sigmoid)


def open_gate_penalty(scores: Sequence[Tensor]) -> Tensor:
    """Mean over matrices of the mean probability that a gate is open. Scalar float32."""
    return _mean_of_means(scores, open_probability)


def _mean_of_means(scores: Sequence[Tensor], function: Callable[[Tensor], Tensor]) -> Tensor:
    return torch.stack([function(matrix.float()).mean() for matrix in scores]).mean()
