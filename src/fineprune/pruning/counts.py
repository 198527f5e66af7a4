"""Counts what is left of a model, over both denominators in use."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fineprune.pruning.attach_note import FINALIZED_KEY, note_of
from fineprune.pruning.masks import Masks, has_masks
from fineprune.pruning.targets import encoder_parameters, find_targets


@dataclass(frozen=True)
class MatrixCount:
    """Kept weights of one matrix.

    Attributes:
        kept: weights that its mask keeps, or that are not zero where there is no mask.
        total: weights of the matrix.
        at_floor: whether the method's floor, rather than its scores, decided `kept`.
    """

    kept: int
    total: int
    at_floor: bool = False


@dataclass(frozen=True)
class Counts:
    """What is left of a model.

    Attributes:
        matrices: kept weights of every prunable matrix, by name; shared ones once.
        encoder_total: parameters of the encoder's blocks, biases and LayerNorm included, as the
            original code counted.
    """

    matrices: dict[str, MatrixCount]
    encoder_total: int

    @property
    def kept(self) -> int:
        """Kept prunable weights."""
        return sum(matrix.kept for matrix in self.matrices.values())

    @property
    def prunable(self) -> int:
        """Prunable weights."""
        return sum(matrix.total for matrix in self.matrices.values())

    @property
    def density(self) -> float:
        """Kept over prunable weights."""
        return self.kept / self.prunable

    @property
    def encoder_kept(self) -> int:
        """Kept weights and everything in the encoder's blocks that is not pruned."""
        return self.encoder_total - self.prunable + self.kept

    @property
    def encoder_density(self) -> float:
        """Kept parameters over all parameters of the encoder's blocks."""
        return self.encoder_kept / self.encoder_total


def count(model: nn.Module) -> Counts:
    """Counts kept weights: by the masks of a masked model, else by the zeros in a plain one.

    In a plain model, the weights that its config says were prunable count; without a word of that,
    those that `attach` would prune.

    Raises:
        TargetError: the model has no prunable weights.
    """
    return _count_kept(model, Masks.of(model)) if has_masks(model) else _count_nonzero(model)


def _count_kept(model: nn.Module, masks: Masks) -> Counts:
    floors = masks.at_floor()
    kept = masks.kept()
    matrices = {
        one.name: MatrixCount(kept[one.name], one.weight.numel(), one.name in floors)
        for one in masks
    }
    return Counts(matrices, _encoder_size(model, [one.weight for one in masks]))


def _count_nonzero(model: nn.Module) -> Counts:
    names: dict[Tensor, str] = {}
    note = note_of(model) or note_of(model, FINALIZED_KEY)
    patterns = {"include": note.include, "exclude": note.exclude} if note else {}
    for target in find_targets(model, **patterns):
        # Layers that share a weight are one matrix, under the name of the first.
        names.setdefault(target.module.weight, target.weight_name)
    matrices = {
        name: MatrixCount(int(torch.count_nonzero(weight)), weight.numel())
        for weight, name in names.items()
    }
    return Counts(matrices, _encoder_size(model, list(names)))


def _encoder_size(model: nn.Module, pruned: Sequence[Tensor]) -> int:
    # A user may have included matrices that stand outside of the blocks.
    unique: dict[Tensor, None] = dict.fromkeys([*encoder_parameters(model), *pruned])
    return sum(parameter.numel() for parameter in unique)
