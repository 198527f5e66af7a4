"""Puts a method on a model's prunable weights, and takes it off without a trace."""

from collections.abc import Sequence
from typing import Any, TypeVar

from torch import nn
from torch.nn.utils import parametrize

from fineprune.errors import TargetError
from fineprune.pruning.attach_note import AttachNote, erase_note
from fineprune.pruning.mask import Mask
from fineprune.pruning.masks import Masks, mask_of, pretrained_models
from fineprune.pruning.methods import Method
from fineprune.pruning.saving import save_plain_weights_too, save_plainly
from fineprune.pruning.targets import Target, find_blocks, find_targets

Model = TypeVar("Model", bound=nn.Module)


def attach(
    model: nn.Module,
    method: Method[Any],
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> Masks:
    """Puts a method on the prunable weights of a model, in place.

    Prunable are the linear layers of attention and feed-forward parts, found by structure;
    embeddings, pooler, head, LayerNorm and biases are not.

    What `save_pretrained` then writes is a checkpoint to go on from, and can be loaded like any
    other: beside masks and scores it holds the masked weights under their plain names.

    Args:
        model: any model; its modules stay what they are, their `weight` becomes a parametrization.
        method: what to put on them.
        include: patterns of names of further linear layers to prune.
        exclude: patterns of names of layers to leave alone.

    Returns:
        The model's masks, at the method's initial level.

    Raises:
        TargetError: nothing to prune, a pattern that matches nothing, masks there already,
            layers that an adapter (PEFT) has wrapped, or weights that the method cannot begin with.
    """
    targets = find_targets(model, include=include, exclude=exclude)
    for target in targets:
        _require_free(target)
    _require_fit(method, targets)
    masks: dict[int, Mask] = {}
    for target in targets:
        weight = target.module.weight
        # Layers that share a weight share its mask.
        if id(weight) not in masks:
            masks[id(weight)] = Mask(method, weight, target.kind).train(target.module.training)
        mask = masks[id(weight)]
        parametrize.register_parametrization(target.module, "weight", mask, unsafe=True)
    for inner in pretrained_models(model):
        if inner is model:
            AttachNote(method, include, exclude).write(inner)
        else:  # patterns of the outer model's names mean nothing to it
            AttachNote(method, *_exact_patterns(inner)).write(inner)
        save_plain_weights_too(inner)
    return Masks.of(model)


def detach(model: Model) -> Model:
    """Takes all masks off a model, in place: value, identity and class are as before `attach`.

    Raises:
        TargetError: the model has no masks.
    """
    Masks.of(model)
    pretrained = pretrained_models(model)
    masked = [module for module in model.modules() if mask_of(module) is not None]
    for linear in masked:
        _unmask(linear)
    for inner in pretrained:
        erase_note(inner)
        save_plainly(inner)
    return model


def _exact_patterns(model: nn.Module) -> tuple[list[str], list[str]]:
    """Patterns for `find_targets` that give just those layers of a model that are masked."""
    masked = [name for name, module in model.named_modules() if mask_of(module) is not None]
    usual = [target.name for target in find_targets(model, include=masked)]
    blocks = tuple(f"{name}." for name, _ in find_blocks(model))
    include = [name for name in masked if not name.startswith(blocks)]
    exclude = [name for name in usual if name not in masked]
    return include, exclude


def _require_free(target: Target) -> None:
    if mask_of(target.module) is not None:
        raise TargetError(f"{target.name} is masked already; detach or finalize it first")
    if parametrize.is_parametrized(target.module):
        raise TargetError(f"{target.name} has a parametrization of another kind; exclude it")
    if target.name.endswith(".base_layer") or ".lora_" in target.name:
        raise TargetError(
            f"{target.name} belongs to an adapter; merge it into the model first "
            f"(merge_and_unload), or exclude it"
        )


def _require_fit(method: Method[Any], targets: Sequence[Target]) -> None:
    weights = [target.module.weight for target in targets]
    if any(weight.is_meta for weight in weights):  # a checkpoint is about to be loaded into them
        return
    try:
        method.require_fit(weights)
    except ValueError as error:
        raise TargetError(str(error)) from error


def _unmask(linear: nn.Module) -> None:
    # Not `remove_parametrizations`: it deletes the property from the layer's class, and a deep
    # copy of the model shares that class.
    weight = linear.parametrizations["weight"].original  # type: ignore[index, union-attr]
    bias = linear._parameters["bias"]
    del linear.parametrizations, linear.bias
    linear.__class__ = type(linear).__bases__[0]
    linear.register_parameter("weight", weight)
    # After the weight, as every linear layer has it: optimizer states go by this order.
    linear.register_parameter("bias", bias)
