"""Penalties that push scores down.

All are computed in float32, whatever precision the model trains in: a sum over millions of
entries overflows float16 and loses its last digits in bfloat16.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from fineprune.core.gates import open_probability

Average = Callable[[Sequence[Tensor], Callable[[Tensor], Tensor]], Tensor]
"""How the entries of all matrices become one number, given what to average of each matrix."""


def mean_over_matrices(scores: Sequence[Tensor], function: Callable[[Tensor], Tensor]) -> Tensor:
    """The mean over matrices of each one's mean: an entry of a small matrix weighs more.

    As Sanh et al. 2020 have it. Scalar float32.
    """
    return torch.stack([function(matrix.float()).mean() for matrix in scores]).mean()


def mean_over_weights(scores: Sequence[Tensor], function: Callable[[Tensor], Tensor]) -> Tensor:
    """The mean over all entries of all matrices, in which each weighs the same. Scalar float32."""
    total = sum(matrix.numel() for matrix in scores)
    shares = [function(matrix.float()).mean() * (matrix.numel() / total) for matrix in scores]
    return torch.stack(shares).sum()


def sigmoid_penalty(scores: Sequence[Tensor], average: Average = mean_over_matrices) -> Tensor:
    """The average of sigmoid(S) (Sanh et al. 2020, section 4). Scalar float32."""
    return average(scores, torch.sigmoid)


def open_gate_penalty(scores: Sequence[Tensor], average: Average = mean_over_matrices) -> Tensor:
    """The average probability that a gate is open (Louizos et al. 2018). Scalar float32."""
    return average(scores, open_probability)
