"""Steps of fused optimizers, made visible.

PyTorch counts the changes of a tensor, and a mask goes by that count when it checks that it was
moved after an optimizer's step. Fused kernels change parameters without counting it.
"""

from functools import cache
from typing import Any

from torch.autograd.graph import increment_version
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook


@cache
def count_fused_steps() -> None:
    """Counts the changes that fused optimizers of this process make from now on."""
    register_optimizer_step_post_hook(_count)


def _count(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
    for group in optimizer.param_groups:
        if group.get("fused"):
            increment_version([p for p in group["params"] if p.grad is not None])
