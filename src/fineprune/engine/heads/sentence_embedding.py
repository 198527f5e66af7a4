"""No head: hidden states, and one vector for a whole sequence."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from fineprune.engine.heads.head import Floats, Head, HeadSource
from fineprune.engine.heads.steps import ACTIVATIONS, Layer
from fineprune.engine.inputs import Mask, Tokens, scatter
from fineprune.packing.modules import Module, read_dense, read_modules, read_poolings

_POOLING_FILE = "1_Pooling/config.json"  # of a model without modules.json

Step = Callable[[Floats], Floats]

# Each takes hidden states of shape `(tokens of all sequences, hidden)`, where each sequence starts,
# of shape `(sequences,)`, and lengths.


def _column(numbers: NDArray[Any]) -> Floats:
    column: Floats = numbers[:, None].astype(np.float32)
    return column


def _first(hidden: Floats, starts: Tokens, lengths: Tokens) -> Floats:
    states: Floats = hidden[starts]
    return states


def _last(hidden: Floats, starts: Tokens, lengths: Tokens) -> Floats:
    states: Floats = hidden[starts + lengths - 1]
    return states


def _largest(hidden: Floats, starts: Tokens, lengths: Tokens) -> Floats:
    values: Floats = np.maximum.reduceat(hidden, starts, axis=0)
    return values


def _sum(hidden: Floats, starts: Tokens) -> Floats:
    values: Floats = np.add.reduceat(hidden, starts, axis=0)
    return values


def _mean(hidden: Floats, starts: Tokens, lengths: Tokens) -> Floats:
    return _sum(hidden, starts) / _column(lengths)


def _mean_by_root(hidden: Floats, starts: Tokens, lengths: Tokens) -> Floats:
    roots: Floats = np.sqrt(_column(lengths))
    return _sum(hidden, starts) / roots


def _weighted_mean(hidden: Floats, starts: Tokens, lengths: Tokens) -> Floats:
    """Later tokens weigh more: the first one 1, the second 2, and so on."""
    places: NDArray[np.int64] = np.arange(len(hidden)) - np.repeat(starts, lengths) + 1
    weights = _column(places)
    return _sum(hidden * weights, starts) / _sum(weights, starts)


_POOLINGS: Mapping[str, Callable[[Floats, Tokens, Tokens], Floats]] = {
    "cls": _first,
    "lasttoken": _last,
    "max": _largest,
    "mean": _mean,
    "mean_sqrt_len_tokens": _mean_by_root,
    "weightedmean": _weighted_mean,
}


def normalized(embeddings: Floats) -> Floats:
    """Embeddings, or whatever rows, of length one."""
    norms = np.linalg.norm(embeddings, axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):  # of infinite states: NaN says enough
        scaled: Floats = (embeddings / np.maximum(norms, 1e-12)).astype(np.float32, copy=False)
        return scaled


@final
@dataclass(frozen=True, eq=False)
class SentenceEmbedding(Head):
    """An encoder's hidden states, and embeddings of shape `(batch, size)`.

    Attributes:
        poolings: what an embedding is made of, one behind the other.
        steps: what follows.
    """

    poolings: tuple[str, ...] = ("mean",)
    steps: tuple[Step, ...] = (normalized,)
    first_only: ClassVar[bool] = False
    per_token: ClassVar[bool] = False

    def __call__(self, hidden: Floats, lengths: Tokens) -> Floats:
        """Embeddings of shape `(sequences, size)`."""
        starts = np.cumsum(lengths) - lengths
        pooled = [_POOLINGS[name](hidden, starts, lengths) for name in self.poolings]
        embeddings = pooled[0] if len(pooled) == 1 else np.concatenate(pooled, axis=1)
        for step in self.steps:
            embeddings = step(embeddings.astype(np.float32, copy=False))
        return embeddings.astype(np.float32, copy=False)

    def outputs(self, hidden: Floats, lengths: Tokens, mask: Mask) -> dict[str, Floats]:
        """`last_hidden_state`, `(batch, tokens, hidden)`, and `embeddings`, `(batch, size)`."""
        return {
            "last_hidden_state": scatter(hidden, mask, padding=0.0),
            "embeddings": self(hidden, lengths),
        }


def sentence_embedding(source: HeadSource) -> Head:
    """Embeddings as the model's sentence-transformers files say; without these, normalized means.

    Raises:
        UnsupportedModelError: they say something that is not known here.
        WeightsError: a layer that they name is missing, or of another size.
    """
    modules = read_modules(source.attachments)
    if not modules:
        has_pooling = _POOLING_FILE in source.attachments
        return SentenceEmbedding(
            read_poolings(source.attachments, _POOLING_FILE) if has_pooling else ("mean",)
        )
    poolings = read_poolings(source.attachments, modules[0].config)
    size = source.hidden * len(poolings)
    steps: list[Step] = []
    for module in modules[1:]:
        if module.kind == "Normalize":
            steps.append(normalized)
        elif module.kind == "Dense":
            layer, size = _dense(source, module, size)
            steps.append(layer)
    return SentenceEmbedding(poolings, tuple(steps))


def _dense(source: HeadSource, module: Module, size: int) -> tuple[Layer, int]:
    """The layer, and the size of what it gives."""
    config = read_dense(source.attachments, module.config)
    name = module.tensor("linear")
    matrix = source.weights.matrix(f"{name}.weight", config.outputs, size)
    bias = (
        source.weights.vector(f"{name}.bias", config.outputs)
        if config.bias
        else np.zeros(config.outputs, np.float32)
    )
    layer = Layer(source.matrix(f"{name}.weight", matrix), bias, ACTIVATIONS[config.activation])
    return layer, config.outputs
