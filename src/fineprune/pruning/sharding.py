"""Tensors of which each process holds a part, as `fully_shard` leaves them."""

from typing import Any

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor, Replicate


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor, of which each process may hold a part; every process has to call this."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def keep_in_place(weight: Tensor, kept: Tensor) -> None:
    """Sets what is not kept to zero in place, on every process in its own part.

    Args:
        weight: array of shape `(out, in)`.
        kept: boolean array of the same shape, whole on every process.
    """
    if isinstance(weight, DTensor):
        mesh: Any = weight.device_mesh
        everywhere = DTensor.from_local(kept, mesh, [Replicate()] * mesh.ndim)
        kept = everywhere.redistribute(mesh, weight.placements).to_local()
        weight = weight.to_local()
    torch.where(kept, weight, weight.new_zeros(()), out=weight)
