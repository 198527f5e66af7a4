"""Finds prunable weights by the structure of a model, not by names.

A transformer encoder is a stack of equal blocks, and a block holds at least four linear layers:
one or three into attention, one out of it, and the two of the feed-forward part. So the stacks of
a model are its outermost `ModuleList`s whose members are of one class and each hold four linear
layers or more. Embeddings, poolers and heads stand outside of any stack.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import nn

from fineprune.errors import TargetError
from fineprune.packing.prunable import matches
from fineprune.pruning.mask import Mask
from fineprune.wording import listed

LEAST_LINEARS = 4
"""Linear layers of the smallest block: fused query-key-value, output, and two feed-forward."""


@dataclass(frozen=True)
class Target:
    """A linear layer whose weight can be pruned.

    Attributes:
        name: the layer's name in the model.
        module: the layer; its `weight` has shape `(out, in)`.
        kind: the layer's name within its block, such as `attention.self.query`; outside of blocks,
            its whole name.
    """

    name: str
    module: nn.Linear
    kind: str

    @property
    def weight_name(self) -> str:
        """The name of the weight in a plain model's `state_dict`."""
        return f"{self.name}.weight"


def find_targets(
    model: nn.Module, *, include: Sequence[str] = (), exclude: Sequence[str] = ()
) -> list[Target]:
    """The prunable linear layers of a model, in the model's order.

    Args:
        model: any model.
        include: patterns (`*` matches anything) of names of further linear layers to prune.
        exclude: patterns of names of layers to leave alone; wins over `include`.

    Raises:
        TargetError: nothing was found, or a pattern matches no linear layer.
    """
    linears = dict(_linears(model))
    for pattern in (*include, *exclude):
        if not any(matches(name, [pattern]) for name in linears):
            raise TargetError(
                f"the pattern {pattern!r} matches no linear layer; this model has {listed(linears)}"
            )
    blocks = tuple(f"{name}." for name, _ in find_blocks(model))
    targets = [
        Target(name, linear, _kind(name, blocks))
        for name, linear in linears.items()
        if (name.startswith(blocks) or matches(name, include)) and not matches(name, exclude)
    ]
    if not targets:
        raise TargetError(_nothing_found(model, list(linears), exclude))
    return targets


def find_blocks(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """The encoder's blocks with their names: the members of its outermost stacks."""
    found: list[tuple[str, nn.Module]] = []
    inside: tuple[str, ...] = ()
    for name, module in model.named_modules():
        if isinstance(module, nn.ModuleList) and not name.startswith(inside or ("\0",)):
            members = list(module)
            if members and _is_stack(members):
                found += [(f"{name}.{i}", member) for i, member in enumerate(members)]
                inside += (f"{name}.",)
    return found


def encoder_parameters(model: nn.Module) -> list[nn.Parameter]:
    """The parameters of the encoder's blocks, biases and LayerNorm included, without scores.

    Shared ones stand here once.
    """
    return [
        *dict.fromkeys(
            parameter
            for _, block in find_blocks(model)
            for module in block.modules()
            if not isinstance(module, Mask)
            for parameter in module.parameters(recurse=False)
        )
    ]


def _is_stack(members: Sequence[nn.Module]) -> bool:
    return len({type(member) for member in members}) == 1 and all(
        sum(1 for _ in _linears(member)) >= LEAST_LINEARS for member in members
    )


def _linears(model: nn.Module) -> Iterator[tuple[str, nn.Linear]]:
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            yield name, module


def _kind(name: str, blocks: Sequence[str]) -> str:
    return next((name.removeprefix(block) for block in blocks if name.startswith(block)), name)


def _nothing_found(model: nn.Module, linears: Sequence[str], exclude: Sequence[str]) -> str:
    stacks = [
        f"{name} ({len(module)} x {type(next(iter(module))).__name__})"
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and len(module)
    ]
    excluded = f"; excluded: {', '.join(exclude)}" if exclude else ""
    return (
        f"{type(model).__name__} has no weights to prune: expected a list of equal blocks with "
        f"{LEAST_LINEARS} or more linear layers each; looked at the lists "
        f"{listed(stacks) or 'none'} and the linear layers {listed(linears) or 'none'}{excluded}; "
        f"name layers to prune with include"
    )
