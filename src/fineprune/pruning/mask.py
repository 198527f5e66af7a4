"""The mask of one weight, as a parametrization of an ordinary module."""

from collections.abc import Callable
from typing import Any, final

import torch
from torch import Tensor, nn

from fineprune.pruning.levels import Level
from fineprune.pruning.methods import Method


@final
class Mask(nn.Module):
    """Turns a weight into its masked self; holds the scores and the level they are judged by.

    Scores and level keep their precision when the model is cast: bfloat16 scores would lose the
    small updates that they live on, and the level must say exactly what was kept.

    Attributes:
        method: what the scores and the level mean.
        scores: parameter of the weight's shape, float32; None if the method learns none.
        level_value: buffer, the number of the level, a float64 scalar that checkpoints carry.
    """

    scores: nn.Parameter | None
    level_value: Tensor

    def __init__(self, method: Method, weight: Tensor) -> None:
        super().__init__()
        self.method = method
        scores = method.initial_scores(weight.detach())
        self.register_parameter("scores", None if scores is None else nn.Parameter(scores))
        self.register_buffer("level_value", torch.zeros((), dtype=torch.float64))
        self.level = method.initial_level

    @property
    def level(self) -> Level:
        """This matrix's level."""
        return self._level

    @level.setter
    def level(self, level: Level) -> None:
        # Kept as a plain object too: reading the buffer back would make a GPU wait, every forward.
        self._level = level
        self.level_value.fill_(level.value)

    def forward(self, weight: Tensor) -> Tensor:
        """The masked weight, shape `(out, in)`."""
        return self.method.masked_weight(weight, self.scores, self.level, training=self.training)

    @torch.no_grad()
    def multiplier(self, weight: Tensor) -> Tensor:
        """What multiplies `weight` in eval mode: boolean, or gates from 0 to 1."""
        return self.method.mask(weight, self.scores, self.level)

    def extra_repr(self) -> str:
        """The method and the level, for `print(model)`."""
        return f"{self.method}, level={self.level}"

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Mask":
        def move(tensor: Tensor) -> Tensor:
            try:
                moved = fn(tensor)
            except TypeError:  # Apple's GPU has no float64: there the level stays on the CPU.
                return tensor
            return moved if moved.dtype == tensor.dtype else tensor.to(moved.device)

        return super()._apply(move, recurse)  # type: ignore[no-any-return, no-untyped-call]

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._level = self.method.level(float(self.level_value))
