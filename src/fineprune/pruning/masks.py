"""All masks of a model together."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self, final

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from fineprune.errors import TargetError
from fineprune.pruning.levels import Level
from fineprune.pruning.mask import Mask
from fineprune.pruning.methods import Method


@dataclass(frozen=True)
class MaskedWeight:
    """One pruned weight of a model.

    Attributes:
        name: the weight's name in a plain model's `state_dict`.
        weight: the weight before masking, a parameter of shape `(out, in)`.
        mask: its mask.
    """

    name: str
    weight: nn.Parameter
    mask: Mask

    def multiplier(self) -> Tensor:
        """What multiplies the weight in eval mode, shape `(out, in)`."""
        return self.mask.multiplier(self.weight)


def mask_of(module: nn.Module) -> Mask | None:
    """The mask on a module's weight, or None."""
    if not parametrize.is_parametrized(module, "weight"):
        return None
    mask = module.parametrizations["weight"][0]  # type: ignore[index]
    return mask if isinstance(mask, Mask) else None


def has_masks(model: nn.Module) -> bool:
    """Whether any weight of a model is masked."""
    return any(mask_of(module) is not None for module in model.modules())


@final
class Masks:
    """The masked weights of one model and what is done to all of them at once.

    A weight that several layers share has one mask, and stands here once.
    """

    def __init__(self, masked: list[MaskedWeight]) -> None:
        self._masked = masked

    @classmethod
    def of(cls, model: nn.Module) -> Self:
        """The masks that were attached to a model.

        Raises:
            TargetError: none were.
        """
        found: dict[Mask, MaskedWeight] = {}
        for name, module in model.named_modules():
            mask = mask_of(module)
            if mask is not None and mask not in found:
                weight = module.parametrizations["weight"].original
                found[mask] = MaskedWeight(f"{name}.weight", weight, mask)
        if not found:
            raise TargetError(
                f"this {type(model).__name__} has no masks; attach a pruning method to it first"
            )
        return cls(list(found.values()))

    def __iter__(self) -> Iterator[MaskedWeight]:
        return iter(self._masked)

    def __len__(self) -> int:
        return len(self._masked)

    @property
    def method(self) -> Method:
        """The method that all of them follow."""
        return self._masked[0].mask.method

    @property
    def level(self) -> Level:
        """The level of all; where matrices compete for a fraction, the fraction of them all."""
        return self.method.overall_level(
            [one.mask.level for one in self], [one.weight.numel() for one in self]
        )

    @torch.no_grad()
    def set_level(self, level: Level) -> None:
        """Moves all masks to a level; call it after every step that changes scores or weights.

        (Where matrices compete for a fraction, each one's share is settled here, on the scores as
        they are now.)

        Raises:
            TypeError: a level of a type that the method does not use.
        """
        expected = type(self.method.final_level)
        if not isinstance(level, expected):
            raise TypeError(f"{self.method.name} takes a {expected.__name__}, found {level!r}")
        weights = [one.weight for one in self]
        levels = self.method.levels(weights, [one.mask.scores for one in self], level)
        for one, its_level in zip(self, levels, strict=True):
            one.mask.level = its_level

    def scores(self) -> list[nn.Parameter]:
        """The scores of each matrix; empty if the method learns none."""
        return [one.mask.scores for one in self if one.mask.scores is not None]

    def penalty(self) -> Tensor | None:
        """The method's penalty over all matrices: a scalar with gradient, or None."""
        return self.method.penalty(self.scores())

    def kept(self) -> dict[str, int]:
        """How many weights each matrix keeps, by name (L0: whose gate is above 0)."""
        return {one.name: int(torch.count_nonzero(one.multiplier())) for one in self}

    def at_floor(self) -> set[str]:
        """Names of the matrices whose scores ask for less than the method's floor keeps."""
        return {
            one.name
            for one in self
            if self.method.at_floor(one.weight, one.mask.scores, one.mask.level)
        }

    def density(self) -> float:
        """Kept weights over prunable weights."""
        return sum(self.kept().values()) / sum(one.weight.numel() for one in self)
