"""DeBERTa-v2 and v3 (He et al. 2020, 2021): attention to what tokens hold and where they stand."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from fineprune.engine.architectures.architecture import HIDDEN, Architecture, Layer
from fineprune.engine.architectures.operations import (
    Attention,
    Convolution,
    DistanceFeatures,
    Gather,
    Ids,
    Linear,
    Norm,
    Operations,
)
from fineprune.engine.architectures.positions import from_zero
from fineprune.engine.architectures.post_norm import LayerNames, count, layer
from fineprune.engine.config import Config
from fineprune.engine.errors import UnsupportedModelError
from fineprune.engine.heads import (
    Step,
    question_answering,
    sentence_embedding,
    sequence_classification,
    token_classification,
)
from fineprune.engine.heads.steps import LayerNorm
from fineprune.engine.weights import Vector, Weights
from fineprune.wording import listed, quoted

_FARTHEST = 1 << 16
_EPSILON = 1e-7
_NAMES = LayerNames(
    query="attention.self.query_proj",
    key="attention.self.key_proj",
    value="attention.self.value_proj",
    usual_epsilon=_EPSILON,
)
_KINDS = ("c2p", "p2c")

_norm = partial(Norm, epsilon="layer_norm_eps", default=_EPSILON)


def _embeddings(config: Config) -> Operations:
    """What the first layer reads; once more, where a convolution reads it behind that layer."""
    tables: dict[Ids, str] = {"tokens": "embeddings.word_embeddings"}
    if config.flag("position_biased_input", True):
        tables["positions"] = "embeddings.position_embeddings"
    if config.get("type_vocab_size", 0) > 0:
        tables["types"] = "embeddings.token_type_embeddings"
    again = (_norm("embeddings.LayerNorm", "summed", "first"),) if _has_convolution(config) else ()
    return (
        Gather("embedded", tables),
        Linear(
            "embeddings.embed_proj", "embedded", "summed", size=HIDDEN, optional=True, bias=False
        ),
        _norm("embeddings.LayerNorm", "summed", HIDDEN),
        *again,
    )


def _has_convolution(config: Config) -> bool:
    return config.get("conv_kernel_size", 0) > 0


def _layers(config: Config, weights: Weights) -> list[Layer]:
    """All layers, behind the first of which a convolution may stand.

    Raises:
        UnsupportedModelError: the config asks for what the engine does not do.
        WeightsError: a layer is missing between others.
    """
    kinds = _kinds(config)
    distances = None
    if config.flag("relative_attention"):
        distances = partial(_distances, config, kinds)
    operations = layer(_NAMES, Attention(terms=1 + len(kinds), distances=distances))
    layers = [Layer(f"encoder.layer.{i}.", operations) for i in count("encoder.layer", weights)]
    if _has_convolution(config):
        if config.get("conv_groups", 1) != 1:
            raise UnsupportedModelError(
                f"conv_groups in the model's config is {config.values['conv_groups']}; "
                "the engine runs 1 only"
            )
        layers.insert(1, Layer("encoder.conv.", _CONVOLUTION))
    return layers


_CONVOLUTION: Operations = (
    Convolution("conv", "first", HIDDEN, "conv_kernel_size", "conv_act", "tanh"),
    _norm("LayerNorm", HIDDEN, HIDDEN),
)


def _kinds(config: Config) -> tuple[str, ...]:
    """Which products scores are sums of, beside that of query and key."""
    given = config.values.get("pos_att_type") or []
    kinds = given.split("|") if isinstance(given, str) else given
    if not isinstance(kinds, list) or any(kind not in _KINDS for kind in kinds):
        raise UnsupportedModelError(
            f"pos_att_type in the model's config is {quoted(given)}; the engine knows "
            f"{listed(_KINDS)}"
        )
    return tuple(kind for kind in _KINDS if kind in kinds)


def _distances(
    config: Config, kinds: tuple[str, ...], weights: Weights, own: Weights, hidden: int
) -> DistanceFeatures | None:
    """Keys and queries of distances, which are the same for every text.

    Raises:
        UnsupportedModelError: the config says no distances that there could be.
        WeightsError: a tensor is missing, or its shape does not fit.
    """
    if not kinds:
        return None
    farthest = config.get("max_relative_positions", -1)
    if farthest < 1:
        farthest = config.setting("max_position_embeddings", 512)
    buckets = config.get("position_buckets", -1)
    span = buckets if buckets > 0 else farthest
    if not 1 < farthest <= _FARTHEST or not 1 < span <= _FARTHEST:
        raise UnsupportedModelError(
            f"the model's config tells {span} of {farthest} distances apart; "
            f"expected 2 to {_FARTHEST:,}"
        )
    apart = np.arange(-farthest, farthest + 1)
    rows = _buckets(apart, buckets, farthest) if buckets > 0 else apart
    table = _table(config, weights, 2 * span, hidden)
    shared = config.flag("share_att_key")
    keys, queries = ("key_proj", "query_proj") if shared else ("pos_key_proj", "pos_query_proj")
    return DistanceFeatures(
        np.clip(rows + span, 0, 2 * span - 1).astype(np.int32),
        _projected(table, own, keys) if "c2p" in kinds else None,
        _projected(table, own, queries) if "p2c" in kinds else None,
    )


def _buckets(apart: NDArray[np.int64], buckets: int, farthest: int) -> NDArray[np.int64]:
    """One for each short distance, then wider and wider ones.

    As `make_log_bucket_position` of transformers has it.
    """
    middle = buckets // 2
    far = np.abs(apart)
    widths = np.log(np.maximum(far, middle).astype(np.float32) / np.float32(middle))
    widths /= np.log(np.float32((farthest - 1) / middle))
    wide = np.ceil(widths * np.float32(middle - 1)).astype(np.int64) + middle
    found: NDArray[np.int64] = np.where(far <= middle, apart, wide * np.sign(apart))
    return found


def _table(config: Config, weights: Weights, rows: int, hidden: int) -> Vector:
    """Embeddings of distances, of shape `(rows, hidden)`."""
    table = weights.matrix("encoder.rel_embeddings.weight", rows, hidden).to_array()
    if "layer_norm" not in config.get("norm_rel_ebd", "none").lower():
        return np.asarray(table, np.float32)
    normal = LayerNorm(
        weights.vector("encoder.LayerNorm.weight", hidden),
        weights.vector("encoder.LayerNorm.bias", hidden),
        config.epsilon("layer_norm_eps", _EPSILON),
    )
    return normal(np.asarray(table, np.float32))


def _projected(table: Vector, layer: Weights, name: str) -> Vector:
    """Rows of the table as a linear of the layer's attention makes them keys or queries."""
    module = f"attention.self.{name}"
    size = table.shape[1]
    matrix = layer.matrix(f"{module}.weight", size, size).to_array()
    projected: Vector = table @ matrix.T + layer.vector(f"{module}.bias", size)
    return projected


DEBERTA_V2 = Architecture(
    prefix="deberta.",
    base="DebertaV2Model",
    heads={
        "DebertaV2Model": sentence_embedding,
        "DebertaV2ForSequenceClassification": sequence_classification(
            Step("pooler.dense", "gelu", key="pooler_hidden_act"), Step("classifier")
        ),
        "DebertaV2ForTokenClassification": token_classification(),
        "DebertaV2ForQuestionAnswering": question_answering(),
    },
    positions=from_zero,
    embeddings=_embeddings,
    layers=_layers,
    roots=("embeddings.", "encoder."),
)
