"""ALBERT (Lan et al. 2019): one layer, or a few, run again and again."""

from fineprune.engine.architectures.architecture import Architecture, Layer
from fineprune.engine.architectures.operations import Attention
from fineprune.engine.architectures.positions import from_zero
from fineprune.engine.architectures.post_norm import LayerNames, count, embeddings, layer
from fineprune.engine.config import Config
from fineprune.engine.errors import UnsupportedModelError
from fineprune.engine.heads import (
    Step,
    question_answering,
    sentence_embedding,
    sequence_classification,
    token_classification,
)
from fineprune.engine.weights import Weights

_GROUPS = "encoder.albert_layer_groups"
_MOST_LAYERS = 1000
_LAYER = layer(
    LayerNames(
        query="attention.query",
        key="attention.key",
        value="attention.value",
        output="attention.dense",
        attention_norm="attention.LayerNorm",
        up="ffn",
        down="ffn_output",
        output_norm="full_layer_layer_norm",
        usual="gelu_new",
    ),
    Attention(),
)


def _layers(config: Config, weights: Weights) -> list[Layer]:
    """As many runs of groups of layers as the config says, shared out evenly among the groups.

    Raises:
        UnsupportedModelError: the config says no number that there could be.
        WeightsError: a group, or a layer in one, is missing between others.
    """
    groups = len(count(_GROUPS, weights))
    runs = config.count("num_hidden_layers")
    if not groups <= runs <= _MOST_LAYERS:
        raise UnsupportedModelError(
            f"num_hidden_layers in the model's config is {runs}; "
            f"expected {groups} to {_MOST_LAYERS}, because it has {groups} groups of layers"
        )
    lists = [f"{_GROUPS}.{int(run / (runs / groups))}.albert_layers" for run in range(runs)]
    return [
        Layer(f"{layers}.{index}.", _LAYER) for layers in lists for index in count(layers, weights)
    ]


ALBERT = Architecture(
    prefix="albert.",
    base="AlbertModel",
    heads={
        "AlbertModel": sentence_embedding,
        "AlbertForSequenceClassification": sequence_classification(
            Step("albert.pooler", "tanh"), Step("classifier")
        ),
        "AlbertForTokenClassification": token_classification(),
        "AlbertForQuestionAnswering": question_answering(),
    },
    positions=from_zero,
    embeddings=embeddings(
        "tokens", "positions", "types", projection="encoder.embedding_hidden_mapping_in"
    ),
    layers=_layers,
)
