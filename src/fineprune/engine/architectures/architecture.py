"""What distinguishes one architecture from another: names, and the order of operations."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from fineprune.engine.architectures.operations import Operations
from fineprune.engine.config import Config
from fineprune.engine.heads import HeadBuilder
from fineprune.engine.weights import Weights

Numbering = Callable[[NDArray[Any]], NDArray[Any]]
"""From token ids, `(batch, tokens)`, to rows of the position table."""

NumberingMaker = Callable[[Config, int], Numbering]
"""How a model numbers tokens, from its config and the number of rows that the table has."""


@dataclass(frozen=True)
class Layer:
    """A layer of a model.

    Attributes:
        prefix: of the names of its tensors.
        operations: what it does.
    """

    prefix: str
    operations: Operations


OperationsMaker = Callable[[Config], Operations]
"""What a model does, from its config."""

LayersMaker = Callable[[Config, Weights], Iterable[Layer]]
"""The layers of a model in order, from its config and its tensors."""

HIDDEN = "hidden"
"""The buffer of hidden states: what goes from layer to layer, and comes out at the end."""


@dataclass(frozen=True)
class Architecture:
    """An encoder's program, and the heads that may stand on it.

    Attributes:
        prefix: of the encoder's tensors in a model that has a head.
        base: the class without a head, whose tensors have no prefix.
        heads: what makes a head of the model's tensors, by the name of the class.
        positions: how tokens are numbered.
        embeddings: what comes before the layers.
        layers: the layers.
        end: what comes after them.
        roots: how names of the encoder's tensors begin, the prefix taken off.
    """

    prefix: str
    base: str
    heads: Mapping[str, HeadBuilder]
    positions: NumberingMaker
    embeddings: OperationsMaker
    layers: LayersMaker
    end: Operations = ()
    roots: tuple[str, ...] = ("embeddings.", "embeddings_project.", "encoder.", "pooler.")
