"""Layers as the first transformer has them: a LayerNorm after each residual connection."""

import re
from dataclasses import dataclass

from fineprune.engine.architectures.architecture import HIDDEN, Layer, LayersMaker, OperationsMaker
from fineprune.engine.architectures.operations import (
    Attention,
    Gather,
    Ids,
    Linear,
    Norm,
    Operations,
)
from fineprune.engine.config import Config
from fineprune.engine.errors import WeightsError
from fineprune.engine.weights import Weights


@dataclass(frozen=True)
class LayerNames:
    """Modules of a layer, and keys of a config."""

    query: str = "attention.self.query"
    key: str = "attention.self.key"
    value: str = "attention.self.value"
    output: str = "attention.output.dense"
    attention_norm: str = "attention.output.LayerNorm"
    up: str = "intermediate.dense"
    down: str = "output.dense"
    output_norm: str = "output.LayerNorm"
    activation: str = "hidden_act"
    usual: str = "gelu"
    epsilon: str | None = "layer_norm_eps"
    usual_epsilon: float = 1e-12


def layer(names: LayerNames, attention: Attention) -> Operations:
    """Attention and feed-forward part of a layer."""
    return (
        Linear(names.query, HIDDEN, "query", size=HIDDEN),
        Linear(names.key, HIDDEN, "key", size=HIDDEN),
        Linear(names.value, HIDDEN, "value", size=HIDDEN),
        attention,
        Linear(names.output, "query", HIDDEN, adds=True),
        Norm(names.attention_norm, HIDDEN, HIDDEN, names.epsilon, names.usual_epsilon),
        Linear(names.up, HIDDEN, "intermediate", names.activation, names.usual),
        Linear(names.down, "intermediate", HIDDEN, adds=True),
        Norm(names.output_norm, HIDDEN, HIDDEN, names.epsilon, names.usual_epsilon),
    )


def embeddings(
    *kinds: Ids,
    epsilon: str | None = "layer_norm_eps",
    projection: str = "embeddings_project",
) -> OperationsMaker:
    """The sum of an embedding of each kind, normalized, and made as wide as layers are.

    Args:
        *kinds: of embeddings.
        epsilon: key in the config.
        projection: of the module that makes them wider, in models that have one.
    """
    names: dict[Ids, str] = {
        "tokens": "embeddings.word_embeddings",
        "positions": "embeddings.position_embeddings",
        "types": "embeddings.token_type_embeddings",
    }
    operations = (
        Gather("embedded", {kind: names[kind] for kind in kinds}),
        Norm("embeddings.LayerNorm", "embedded", "embedded", epsilon),
        Linear(projection, "embedded", HIDDEN, optional=True),
    )
    return lambda config: operations


_BERT = LayerNames()
_PLAIN = Attention()


def numbered(layers: str, names: LayerNames = _BERT, attention: Attention = _PLAIN) -> LayersMaker:
    """All layers of a list, one after another.

    Args:
        layers: name of the list.
        names: of a layer's modules.
        attention: of each of them.
    """
    operations = layer(names, attention)

    def make(config: Config, weights: Weights) -> list[Layer]:
        return [Layer(f"{layers}.{index}.", operations) for index in count(layers, weights)]

    return make


def count(layers: str, weights: Weights) -> range:
    """Indices of the layers of a list that a model has tensors of.

    Raises:
        WeightsError: there is none, or one is missing between others.
    """
    name = re.compile(rf"{re.escape(weights.prefix + layers)}\.(\d{{1,4}})\.")
    numbers = {int(found[1]) for tensor in weights.tensors if (found := name.match(tensor))}
    if not numbers or numbers != set(range(len(numbers))):
        raise WeightsError(
            f"layers are numbered {sorted(numbers)}; expected 0 to {max(len(numbers), 1) - 1}"
        )
    return range(len(numbers))
