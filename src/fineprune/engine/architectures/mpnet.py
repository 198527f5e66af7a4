"""MPNet (Song et al. 2020), and with it all-mpnet-base-v2: attention knows distances."""

import numpy as np
from numpy.typing import NDArray

from fineprune.engine.architectures.architecture import Architecture
from fineprune.engine.architectures.operations import Attention
from fineprune.engine.architectures.positions import after
from fineprune.engine.architectures.post_norm import LayerNames, embeddings, numbered
from fineprune.engine.errors import WeightsError
from fineprune.engine.heads import (
    Step,
    question_answering,
    sentence_embedding,
    sequence_classification,
    token_classification,
)
from fineprune.engine.weights import Weights

_PADDING = 1  # whatever the config says
_BUCKETS, _LARGEST_DISTANCE = 32, 128  # likewise
_TABLE = "encoder.relative_attention_bias.weight"


def _bias(weights: Weights, heads: int) -> NDArray[np.float32]:
    """Biases of shape `(heads, distances)`: a table has one for each bucket of distances.

    Raises:
        WeightsError: the table is missing, or of another shape.
    """
    rows, columns = weights.shape(_TABLE)
    if rows < _BUCKETS or columns != heads:
        raise WeightsError(
            f"'{weights.prefix}{_TABLE}' has shape {(rows, columns)}; "
            f"expected at least {_BUCKETS} rows of {heads} heads"
        )
    table = np.asarray(weights.matrix(_TABLE, rows, columns).to_array(), np.float32)
    distances = np.arange(-_LARGEST_DISTANCE, _LARGEST_DISTANCE + 1)
    return np.ascontiguousarray(table[_buckets(distances)].T)


def _buckets(distances: NDArray[np.int64]) -> NDArray[np.int64]:
    """One for each short distance, then wider and wider ones; tokens in front have the second half.

    As `MPNetEncoder.relative_position_bucket` of transformers has it.
    """
    half = _BUCKETS // 2
    exact = half // 2
    far = np.maximum(np.abs(distances), 1).astype(np.float32)
    widths = np.log(far / np.float32(exact)) / np.float32(np.log(_LARGEST_DISTANCE / exact))
    wide = exact + (widths * np.float32(half - exact)).astype(np.int64)
    size = np.where(np.abs(distances) < exact, np.abs(distances), np.minimum(wide, half - 1))
    buckets: NDArray[np.int64] = size + np.where(distances < 0, half, 0)
    return buckets


MPNET = Architecture(
    prefix="mpnet.",
    base="MPNetModel",
    heads={
        "MPNetModel": sentence_embedding,
        "MPNetForSequenceClassification": sequence_classification(
            Step("classifier.dense", "tanh"), Step("classifier.out_proj")
        ),
        "MPNetForTokenClassification": token_classification(),
        "MPNetForQuestionAnswering": question_answering(),
    },
    positions=after(_PADDING),
    embeddings=embeddings("tokens", "positions"),
    layers=numbered(
        "encoder.layer",
        LayerNames(
            query="attention.attn.q",
            key="attention.attn.k",
            value="attention.attn.v",
            output="attention.attn.o",
            attention_norm="attention.LayerNorm",
        ),
        Attention(bias=_bias),
    ),
)
