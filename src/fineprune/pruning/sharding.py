"""Tensors of which each process holds a part, as `fully_shard` leaves them."""

from typing import Any

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor, Replicate


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor, of which each process may hold a part; every process has to call this."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def multiply_in_place(weight: Tensor, multiplier: Tensor) -> None:
    """Multiplies a weight by a mask or by gates in place, on every process in its own part.

    Args:
        weight: array of shape `(out, in)`.
        multiplier: array of the same shape, whole on every process: boolean, or gates from 0 to 1.
    """
    if isinstance(weight, DTensor):
        mesh: Any = weight.device_mesh
        everywhere = DTensor.from_local(multiplier, mesh, [Replicate()] * mesh.ndim)
        multiplier = everywhere.redistribute(mesh, weight.placements).to_local()
        weight = weight.to_local()
    if multiplier.dtype == torch.bool:
        torch.where(multiplier, weight, weight.new_zeros(()), out=weight)
    else:
        weight.mul_(multiplier.to(weight.dtype))
