"""All masks of a model together."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self, cast, final

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from transformers import PreTrainedModel

from fineprune.core.control import Steering
from fineprune.errors import TargetError, TrainingError
from fineprune.pruning.levels import Level
from fineprune.pruning.mask import Mask
from fineprune.pruning.methods import Matrix, Method
from fineprune.pruning.sharding import multiply_in_place, whole


@final
@dataclass(frozen=True)
class MaskedWeight:
    """One pruned weight of a model.

    Attributes:
        name: the weight's name in a plain model's `state_dict`.
        layer: the layer that it belongs to (the first one, where several share it).
        mask: its mask.
    """

    name: str
    layer: nn.Module
    mask: Mask

    @property
    def weight(self) -> nn.Parameter:
        """The weight before masking, a parameter of shape `(out, in)`."""
        # Looked up each time: what shards a model puts another parameter in its place.
        weights: Any = self.layer.parametrizations
        return cast(nn.Parameter, weights["weight"].original)

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


def pretrained_models(model: nn.Module) -> list[PreTrainedModel]:
    """The models of `transformers` that hold masks: the model itself, or those it is made of.

    (A SentenceTransformer, for one, is a list of modules, and one of them holds the encoder.)
    """
    if isinstance(model, PreTrainedModel):
        return [model] if has_masks(model) else []
    return [found for child in model.children() for found in pretrained_models(child)]


@final
class Masks:
    """The masked weights of one model and what is done to all of them at once.

    A weight that several layers share has one mask, and stands here once.
    """

    def __init__(self, masked: list[MaskedWeight], layers: int) -> None:
        self._masked = masked
        self.share_weights = layers > len(masked)
        """Whether several layers share a weight and its mask."""

    @classmethod
    def of(cls, model: nn.Module) -> Self:
        """The masks that were attached to a model.

        Raises:
            TargetError: none were.
        """
        found: dict[Mask, MaskedWeight] = {}
        layers = 0
        for name, module in model.named_modules():
            mask = mask_of(module)
            if mask is not None:
                layers += 1
                found.setdefault(mask, MaskedWeight(f"{name}.weight", module, mask))
        if not found:
            raise TargetError(
                f"this {type(model).__name__} has no masks; attach a pruning method to it first"
            )
        return cls(list(found.values()), layers)

    def __iter__(self) -> Iterator[MaskedWeight]:
        return iter(self._masked)

    def __len__(self) -> int:
        return len(self._masked)

    @property
    def method(self) -> Method[Any]:
        """The method that all of them follow."""
        return self._masked[0].mask.method

    @property
    def level(self) -> Level:
        """The level of all; where matrices compete for a fraction, the fraction of them all."""
        levels = [one.mask.level for one in self]
        kept = [one.mask.count for one in self]
        sizes = [one.weight.numel() for one in self]
        return cast(Level, self.method.rule.overall_level(levels, kept, sizes))

    @property
    def frozen(self) -> bool:
        """Whether the masks stay as they are."""
        return all(one.mask.frozen for one in self)

    @torch.no_grad()
    def update(self, level: Level, optimizer: torch.optim.Optimizer | None = None) -> None:
        """Makes all masks anew, from scores and weights as they are now.

        Args:
            level: a level of the type that the method uses.
            optimizer: what trains the weights; needed by methods that rank by gradients.

        Raises:
            TypeError: a level of a type that the method does not use.
            TrainingError: the method ranks by gradients, and there are none.
        """
        expected = type(self.method.final_level)
        if not isinstance(level, expected):
            raise TypeError(f"{self.method.name} takes a {expected.__name__}, found {level!r}")
        if not self.frozen:
            matrices = [self._matrix(one, optimizer) for one in self]
            settled = self.method.settle(matrices, level)
            for one, decision in zip(self, settled, strict=True):
                one.mask.take(decision)
        self.apply_in_place()
        self.mark_fresh()

    def set_level(self, level: Level) -> None:
        """As `update`, for methods that need no gradients."""
        self.update(level)

    @torch.no_grad()
    def apply_in_place(self) -> None:
        """Sets pruned weights to zero, where the method does that, after a step moved them."""
        for one in self:
            if one.mask.prunes_in_place:
                multiply_in_place(one.weight, one.mask.kept)

    def mark_fresh(self) -> None:
        """Says that the masks were moved after the last change of scores and weights."""
        for one in self:
            one.mask.mark_fresh()

    @torch.no_grad()
    def draw(self, step: int) -> None:
        """Draws what the next training step takes at random (the gates of L0).

        From the global seed and the step alone, so that all processes draw the same, and a run
        that is resumed draws what it would have drawn.
        """
        device = self._masked[0].mask.kept.device
        seed = (torch.initial_seed() + 0x9E3779B97F4A7C15 * (step + 1)) % (1 << 63)
        generator = torch.Generator(device).manual_seed(seed)
        for one in self:
            if not one.mask.frozen:
                one.mask.draw(generator)

    @torch.no_grad()
    def freeze(self) -> None:
        """Fixes the masks for good, and lets the scores go; gates are multiplied into weights."""
        for one in self:
            one.mask.freeze(one.weight)
        self.apply_in_place()
        self.mark_fresh()

    def scores(self) -> list[nn.Parameter]:
        """The scores of each matrix; empty if the method learns none, or once masks are frozen."""
        # What shards a model puts parameters back that were taken away: so frozen is asked too.
        return [
            one.mask.scores for one in self if one.mask.scores is not None and not one.mask.frozen
        ]

    def penalty(self) -> Tensor | None:
        """The method's penalty over all matrices: a scalar with gradient, or None."""
        scores = self.scores()
        penalty = self.method.penalty(scores) if scores else None
        return None if penalty is None else whole(penalty)

    @property
    def steering(self) -> Steering | None:
        """What a controller of the penalty remembers, or None where there is none."""
        remembered = self._masked[0].mask.steering
        return None if remembered is None else Steering(*remembered.tolist())

    @steering.setter
    def steering(self, steering: Steering) -> None:
        for one in self:
            if one.mask.steering is not None:
                one.mask.steering[0] = steering.penalty_weight
                one.mask.steering[1] = steering.share

    def kept(self) -> dict[str, int]:
        """How many weights each matrix keeps, by name (L0: whose expected gate is above 0)."""
        return {one.name: one.mask.count for one in self}

    def at_floor(self) -> set[str]:
        """Names of the matrices of which a floor, rather than the level, decides what is kept."""
        return {one.name for one in self if one.mask.at_floor}

    def density(self) -> float:
        """Kept weights over prunable weights."""
        return sum(self.kept().values()) / sum(one.weight.numel() for one in self)

    def _matrix(self, one: MaskedWeight, optimizer: torch.optim.Optimizer | None) -> Matrix:
        moment = self._second_moment(one, optimizer) if self.method.needs_second_moment else None
        matrix = one.mask.matrix(one.weight, moment)
        return Matrix(
            whole(matrix.weight),
            None if matrix.scores is None else whole(matrix.scores),
            matrix.mask,
            None if moment is None else whole(moment),
            matrix.kind,
        )

    def _second_moment(self, one: MaskedWeight, optimizer: torch.optim.Optimizer | None) -> Tensor:
        moment = second_moment_of(one.weight, optimizer)
        if moment is None:
            moment = one.mask.second_moment
        if moment is None:
            raise TrainingError(
                f"{self.method.name} ranks weights by their gradients, and no step was made yet"
            )
        return moment


def second_moment_of(
    weight: nn.Parameter, optimizer: torch.optim.Optimizer | None
) -> Tensor | None:
    """The running mean of a weight's squared gradient that an optimizer of Adam's family keeps."""
    # What accelerate wraps around an optimizer has the same state.
    state = {} if optimizer is None else optimizer.state.get(weight, {})
    moment = state.get("exp_avg_sq")
    return moment if isinstance(moment, Tensor) and moment.shape == weight.shape else None
