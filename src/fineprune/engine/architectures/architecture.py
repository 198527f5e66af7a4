"""What distinguishes one architecture from another: names, and nothing that is computed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fineprune.engine.config import Config
from fineprune.engine.heads import HeadBuilder
from fineprune.engine.weights import Weights


@dataclass(frozen=True)
class EmbeddingNames:
    """Tensors that make a token's embedding; None where an architecture has no such table."""

    word: str = "embeddings.word_embeddings"
    position: str = "embeddings.position_embeddings"
    type: str | None = "embeddings.token_type_embeddings"
    norm: str = "embeddings.LayerNorm"
    projection: str = "embeddings_project"


@dataclass(frozen=True)
class LayerNames:
    """Modules of a layer."""

    query: str = "attention.self.query"
    key: str = "attention.self.key"
    value: str = "attention.self.value"
    output: str = "attention.output.dense"
    attention_norm: str = "attention.output.LayerNorm"
    up: str = "intermediate.dense"
    down: str = "output.dense"
    output_norm: str = "output.LayerNorm"


@dataclass(frozen=True)
class ConfigKeys:
    """Where a config has what tensors do not tell."""

    heads: str = "num_attention_heads"
    activation: str = "hidden_act"
    epsilon: str | None = "layer_norm_eps"


Numbering = Callable[[NDArray[Any]], NDArray[Any]]
"""From token ids, `(batch, tokens)`, to rows of the position table."""

BiasMaker = Callable[[Weights, int], NDArray[np.float32]]
"""From tensors and the number of heads to what attention adds to scores by distance.

Of shape `(heads, 2 * reach + 1)`, for tokens that stand so far behind the one that they attend to,
from `-reach` to `reach`; what is farther away counts as if it were that far.
"""

NumberingMaker = Callable[[Config, int], Numbering]
"""How a model numbers tokens, from its config and the number of rows that the table has."""


@dataclass(frozen=True)
class Architecture:
    """A post-LayerNorm encoder of BERT's kind.

    Attributes:
        prefix: of the encoder's tensors in a model that has a head.
        base: the class without a head, whose tensors have no prefix.
        heads: what makes a head of the model's tensors, by the name of the class.
        positions: how tokens are numbered.
        layers: the list of layers.
        bias: of attention, the same in all layers; None where it does not look at distances.
    """

    prefix: str
    base: str
    heads: Mapping[str, HeadBuilder]
    positions: NumberingMaker
    embeddings: EmbeddingNames = EmbeddingNames()
    layers: str = "encoder.layer"
    layer: LayerNames = LayerNames()
    config: ConfigKeys = ConfigKeys()
    bias: BiasMaker | None = None

    @property
    def roots(self) -> tuple[str, ...]:
        """How names of the encoder's tensors begin, the prefix taken off."""
        return (
            "embeddings.",
            "embeddings_project.",
            "pooler.",
            f"{self.layers.partition('.')[0]}.",
        )
