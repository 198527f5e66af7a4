"""Training on weights that are rounded as packing rounds them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, final

import numpy as np
import torch
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from typing_extensions import override

from fineprune.core.masked_weight import kept_part
from fineprune.errors import TrainingError
from fineprune.packing.quantize import OPTIMAL_STEPS, Precision, Role, step_of
from fineprune.packing.tensors import LARGEST_CODE, Scales
from fineprune.pruning.callback import PruningCallback
from fineprune.pruning.masks import mask_of


@final
@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Quantization:
    """How finely weights are rounded while a model recovers.

    Attributes:
        bits: of the matrices in layers, as `pack` takes them.
        embedding_bits: of the embeddings.

    Raises:
        ValueError: packing has no such precision.
    """

    bits: int = 8
    embedding_bits: int = 8

    def __post_init__(self) -> None:
        self.precision  # noqa: B018 - which checks the numbers

    @property
    def precision(self) -> Precision:
        """The same, as packing has it."""
        return Precision(self.bits, self.embedding_bits)


@torch.no_grad()
def rounded(weight: Tensor, bits: int) -> Tensor:
    """A matrix on the grid on which `pack` stores it: what comes out of the packed file.

    Args:
        weight: finite, of shape `(out, in)`; zeros stay zero.
        bits: 2 to 8.
    """
    matrix = weight.float().reshape(weight.shape[0], -1)
    step = step_of(*_energy(matrix), bits)
    table = torch.from_numpy(Scales(step, np.arange(256, dtype=np.uint8)).per_row())
    table = table.to(matrix.device)
    largest = matrix.abs().amax(dim=1)
    scales = table[torch.searchsorted(table * LARGEST_CODE, largest)][:, None]
    return torch.round(matrix / scales).mul_(scales).to(weight.dtype).reshape(weight.shape)


def _energy(matrix: Tensor) -> tuple[float, int]:
    """The sum of the squares of a matrix, and how many of its numbers are not zero."""
    norm = torch.linalg.vector_norm(matrix, dtype=torch.float64)
    return float(norm) ** 2, int(torch.count_nonzero(matrix))


@final
class RoundingCallback(TrainerCallback):
    """Has every step compute with rounded weights, and move the weights behind them.

    The gradient is straight through (Bengio et al. 2013): what a step finds for the rounded weight
    moves the one that is not. So what is saved is not rounded, and packing with the same bits gives
    what was trained. Vectors, which packing stores as float16, are left alone.

    Weights are rounded in the recovery: where the level of a masked model does not move. A model
    without masks is rounded from the first step on.

    Args:
        quantization: how finely.
        pruning: what moves the level.
    """

    def __init__(self, quantization: Quantization, pruning: PruningCallback) -> None:
        self._precision = quantization.precision
        self._pruning = pruning
        self._held: list[tuple[nn.Parameter, Tensor]] = []
        self._frozen: dict[nn.Parameter, Tensor] = {}

    @override
    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        require_roundable(kwargs["model"])

    @override
    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if self._recovers():
            self._round(kwargs["model"])

    @override
    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._restore()

    @contextmanager
    def rounding(self, model: nn.Module) -> Iterator[None]:
        """The model with rounded weights, wherever the run rounds them; then as it was before."""
        if self._held or not self._recovers():  # rounded already, or not to be
            yield
            return
        self._round(model)
        try:
            yield
        finally:
            self._restore()

    def _recovers(self) -> bool:
        pruner = self._pruning.pruner
        return pruner is None or pruner.recovers

    def _round(self, model: nn.Module) -> None:
        for name, parameter, mask in _weights(model):
            bits = self._precision.bits_of(Role.of(name, tuple(parameter.shape)))
            if bits in OPTIMAL_STEPS:
                self._held.append((parameter, parameter.data))
                parameter.data = self._of(parameter, mask, bits)

    def _of(self, parameter: nn.Parameter, mask: Tensor | None, bits: int) -> Tensor:
        if not parameter.requires_grad:  # and so stays as it is
            if parameter not in self._frozen:
                self._frozen[parameter] = rounded(parameter.data, bits)
            return self._frozen[parameter]
        if mask is None:
            return rounded(parameter.data, bits)
        # What the mask hides keeps its value, which the gradient of its score needs.
        return torch.where(mask, rounded(kept_part(parameter.data, mask), bits), parameter.data)

    def _restore(self) -> None:
        for parameter, weight in self._held:
            parameter.data = weight
        self._held.clear()


def _weights(model: nn.Module) -> Iterator[tuple[str, nn.Parameter, Tensor | None]]:
    """Every parameter but scores: its name in a plain model, itself, and what is kept of it."""
    for name, parameter in model.named_parameters():
        layer, parametrized, inside = name.partition(".parametrizations.")
        if not parametrized:
            yield name, parameter, None
        elif inside == "weight.original":
            mask = mask_of(model.get_submodule(layer))
            yield f"{layer}.weight", parameter, None if mask is None else mask.kept


def require_roundable(model: nn.Module, *, fsdp: bool = False) -> None:
    """Checks that a model's weights can be rounded while it trains.

    Args:
        model: with its masks.
        fsdp: whether a trainer is going to share the weights out over its processes.

    Raises:
        TrainingError: a method scales weights, so that packing would round others; or several
            processes hold parts of them.
    """
    for module in model.modules():
        mask = mask_of(module)
        if mask is not None and mask.method.scales_weights:
            raise TrainingError(
                f"quantize: {mask.method.name} multiplies what it keeps by gates, and packing "
                "would round the products; choose a method that keeps weights as they are"
            )
    if fsdp or any(isinstance(parameter, DTensor) for parameter in model.parameters()):
        raise TrainingError("quantize: not with weights that are sharded over processes")
