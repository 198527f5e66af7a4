"""The mask of one weight, as a parametrization of an ordinary module."""

from collections.abc import Callable
from typing import Any, final

import torch
from torch import Tensor, nn

from fineprune.core.masked_weight import kept_part
from fineprune.errors import TrainingError
from fineprune.pruning.fused import count_fused_steps
from fineprune.pruning.levels import Level
from fineprune.pruning.methods import Matrix, Method, Settled
from fineprune.pruning.sharding import multiply_in_place, whole

_MOMENT_DECAY = 0.99
"""Of an own running mean of squared gradients: it spans some hundred steps."""

_PLACE = "parametrizations.weight.0."
"""Where `torch.nn.utils.parametrize` puts a mask within its layer."""


@final
class Mask(nn.Module):
    """Turns a weight into its masked self.

    A mask is state: it is made after a step of the optimizer (`Masks.update`), and every forward
    pass applies it as it is. Scores, level and mask keep their types when the model is cast:
    bfloat16 scores would lose the small updates that they live on.

    Attributes:
        method: what the scores and the level mean.
        kind: what the matrix is within its block, such as `attention.self.query`.
        scores: parameter of the weight's shape, float32; None if the method learns none, or once
            the mask is frozen.
        kept: buffer of the weight's shape, boolean: which weights are kept.
        level_value: buffer, the number of the level, a float64 scalar.
        steering: buffer of shape `(2,)`, float64: what a controller of the penalty remembers.
        second_moment: buffer of the weight's shape, float32: a running mean of squared gradients,
            where the method needs one and the optimizer keeps none.
        count: how many weights are kept.
        at_floor: whether a floor on kept weights, rather than the level, decided that.
        frozen: whether the mask stays as it is.
    """

    scores: nn.Parameter | None
    kept: Tensor
    level_value: Tensor
    steering: Tensor | None
    second_moment: Tensor | None

    def __init__(self, method: Method[Any], weight: Tensor, kind: str = "") -> None:
        super().__init__()
        count_fused_steps()
        self.method = method
        self.kind = kind
        self.frozen = False
        self.at_floor = False
        scores = method.initial_scores(weight.detach())
        self.register_parameter("scores", None if scores is None else nn.Parameter(scores))
        self.register_buffer("kept", torch.ones_like(weight, dtype=torch.bool))
        self.register_buffer("level_value", torch.zeros((), dtype=torch.float64))
        controlled = method.controller is not None
        steering = torch.zeros(2, dtype=torch.float64) if controlled else None
        self.register_buffer("steering", steering)
        self.register_buffer("second_moment", None)
        self._count: int | None = weight.numel()
        self._drawn: Tensor | None = None
        self._seen: int | None = None
        self.level = method.initial_matrix_level

    @property
    def level(self) -> Level:
        """This matrix's own level."""
        return self._level

    @level.setter
    def level(self, level: Level) -> None:
        # Kept as a plain object too: reading the buffer back would make a GPU wait.
        self._level = level
        self.level_value.fill_(level.value)

    @property
    def count(self) -> int:
        """How many weights are kept."""
        if self._count is None:  # after loading
            self._count = int(torch.count_nonzero(self.kept))
        return self._count

    @property
    def prunes_in_place(self) -> bool:
        """Whether pruned weights are zeros already, so that a forward pass has nothing to do."""
        return self.frozen or self.method.prunes_in_place

    def forward(self, weight: Tensor) -> Tensor:
        """The masked weight, shape `(out, in)`.

        Raises:
            TrainingError: an optimizer changed the scores (or weights) and the mask was not moved.
        """
        if self.training and torch.is_grad_enabled() and not torch.compiler.is_compiling():
            self._require_fresh(weight)
        if self.prunes_in_place:
            return weight
        drawn = self._drawn if self.training else None
        return self.method.masked_weight(weight, self.scores, self.kept, self._level, drawn)

    def matrix(self, weight: Tensor, second_moment: Tensor | None = None) -> Matrix:
        """What a method judges this weight by."""
        return Matrix(weight, self.scores, self.kept, second_moment, self.kind)

    @torch.no_grad()
    def multiplier(self, weight: Tensor) -> Tensor:
        """What multiplies `weight` in eval mode: boolean, or gates from 0 to 1."""
        return self.method.multiplier(self._all_scores(), self.kept, self._level)

    def take(self, settled: Settled) -> None:
        """Takes over what was decided for this matrix."""
        self.kept.copy_(settled.mask)
        self.level = settled.level
        self.at_floor = settled.at_floor
        self._count = settled.kept

    def draw(self, generator: torch.Generator) -> None:
        """Draws what the next training step takes at random, if the method has such things."""
        self._drawn = self.method.draw(self._all_scores(), self._level, generator)

    def mark_fresh(self) -> None:
        """Says that the mask was moved after the last change of scores and weights."""
        self._seen = None

    @torch.no_grad()
    def restore(self, weight: Tensor) -> None:
        """Makes the mask from scores and level, for checkpoints that hold none."""
        self.kept.copy_(self.method.restore(self.matrix(weight), self._level))
        self._count = None

    @torch.no_grad()
    def observe(self, gradient: Tensor) -> Tensor:
        """Takes a gradient of shape `(out, in)` into the own second moment, and returns that."""
        squared = gradient.float().square()
        if self.second_moment is None:
            self.register_buffer("second_moment", squared)
            return squared
        return self.second_moment.lerp_(squared, 1 - _MOMENT_DECAY)

    @torch.no_grad()
    def freeze(self, weight: Tensor) -> None:
        """Fixes the mask: multiplies the weight in place, and lets the scores go."""
        if not self.frozen:
            multiply_in_place(weight, self.multiplier(weight))
        self.scores, self._drawn, self.frozen = None, None, True

    def extra_repr(self) -> str:
        """The method and the level, for `print(model)`."""
        return f"{self.method}, level={self.level}{', frozen' if self.frozen else ''}"

    def _all_scores(self) -> Tensor | None:
        """The scores, of which this process may hold a part, as a whole."""
        return None if self.scores is None else whole(self.scores)

    def _require_fresh(self, weight: Tensor) -> None:
        # An optimizer's step shows in the version of what it changed. What is first seen after the
        # mask was moved is what has to be there until it is moved again.
        version = (weight if self.scores is None else self.scores)._version
        if self._seen is None:
            self._seen = version
        elif self._seen != version:
            raise TrainingError(
                "the model was changed after its masks were made, and they were not moved: add "
                "fineprune.PruningCallback to the trainer, or call Pruner.step() after each "
                "optimizer.step() of an own loop"
            )

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._seen = None  # a copy's tensors count their changes anew

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Mask":
        def move(tensor: Tensor) -> Tensor:
            try:
                moved = fn(tensor)
            except TypeError:  # Apple's GPU has no float64: there the level stays on the CPU.
                return tensor
            return moved if moved.dtype == tensor.dtype else tensor.to(moved.device)

        return super()._apply(move, recurse)  # type: ignore[no-any-return, no-untyped-call]

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        self.before_loading({name.removeprefix(prefix) for name in state_dict})
        super()._load_from_state_dict(
            state_dict,
            prefix,
            local_metadata,
            strict,
            missing_keys,
            unexpected_keys,
            error_msgs,
        )
        # A checkpoint also holds the masked weight under its plain name, for other readers.
        twin = f"{prefix.removesuffix(_PLACE)}weight"
        if twin in unexpected_keys:
            unexpected_keys.remove(twin)
        self.after_loading()

    def before_loading(self, names: set[str]) -> None:
        """Makes room for what a checkpoint holds beside what every mask has.

        Args:
            names: of the mask's own tensors in the checkpoint.
        """
        if "second_moment" in names and self.second_moment is None:
            moment = torch.zeros_like(self.kept, dtype=torch.float32)
            self.register_buffer("second_moment", moment)
        if "scores" in names and self.frozen:  # a checkpoint from before the freeze
            self.scores = nn.Parameter(torch.zeros_like(self.kept, dtype=torch.float32))
            self.frozen = False

    def after_loading(self) -> None:
        """Takes the level from its buffer, after something else wrote to that.

        Raises:
            ValueError: the number in it is out of range.
        """
        self._level = self.method.matrix_level(float(self.level_value))
        self._count = None
        self._seen = None


def applied(weight: Tensor, multiplier: Tensor) -> Tensor:
    """What a boolean mask, or gates from 0 to 1, leave of a weight; in the weight's precision."""
    if multiplier.dtype == torch.bool:
        return kept_part(weight, multiplier)
    return weight * multiplier.to(weight.dtype)
