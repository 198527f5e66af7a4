"""ModernBERT (Warner et al. 2024): norms first, gates, rotary positions, windows of attention."""

from functools import partial

import numpy as np

from fineprune.engine.architectures.architecture import HIDDEN, Architecture, Layer
from fineprune.engine.architectures.operations import (
    Attention,
    Gather,
    Linear,
    Multiply,
    Norm,
    Operations,
    Rotate,
)
from fineprune.engine.architectures.positions import from_zero
from fineprune.engine.architectures.post_norm import count
from fineprune.engine.config import Config
from fineprune.engine.errors import UnsupportedModelError
from fineprune.engine.heads import (
    Step,
    StepNorm,
    question_answering,
    sentence_embedding,
    sequence_classification,
    token_classification,
)
from fineprune.engine.weights import Vector, Weights
from fineprune.wording import listed, quoted

_GLOBAL, _LOCAL = "full_attention", "sliding_attention"
_THETAS = {_GLOBAL: ("global_rope_theta", 160_000.0), _LOCAL: ("local_rope_theta", 10_000.0)}
_MOST_POSITIONS = 1 << 16
_MOST_WINDOW = 1 << 17

_norm = partial(Norm, epsilon="norm_eps", default=1e-5, bias="norm_bias")
_of_attention = partial(Linear, bias="attention_bias")
_of_feed_forward = partial(Linear, bias="mlp_bias")


def _layer(kind: str, window: int, normed: str) -> Operations:
    """A layer of one kind of attention, which reads what its norm has left."""
    return (
        _of_attention("attn.Wqkv", normed, "query", part=(0, 3), size=HIDDEN),
        _of_attention("attn.Wqkv", normed, "key", part=(1, 3), size=HIDDEN),
        _of_attention("attn.Wqkv", normed, "value", part=(2, 3), size=HIDDEN),
        Rotate("query", f"angles of {kind}"),
        Rotate("key", f"angles of {kind}"),
        Attention(window=window if kind == _LOCAL else 0),
        _of_attention("attn.Wo", "query", HIDDEN, adds=True),
        _norm("mlp_norm", HIDDEN, "normed"),
        _of_feed_forward("mlp.Wi", "normed", "gated", "hidden_activation", part=(0, 2)),
        _of_feed_forward("mlp.Wi", "normed", "gate", part=(1, 2)),
        Multiply("gate", "gated"),
        _of_feed_forward("mlp.Wo", "gated", HIDDEN, adds=True),
    )


def _layers(config: Config, weights: Weights) -> list[Layer]:
    """All layers; what the embeddings leave is normalized already when the first one reads it.

    Raises:
        UnsupportedModelError: the config does not tell of each layer which attention it has.
        WeightsError: a layer is missing between others.
    """
    window = config.setting("local_attention", 128) // 2
    if not 1 <= window < _MOST_WINDOW:
        raise UnsupportedModelError(
            f"local_attention in the model's config is {config.values['local_attention']}; "
            f"expected 2 to {2 * _MOST_WINDOW - 1:,}"
        )
    layers = []
    for index in count("layers", weights):
        first: Operations = (_norm("attn_norm", HIDDEN, "normed"),) if index > 0 else ()
        normed = "normed" if index > 0 else HIDDEN
        operations = first + _layer(_kind(config, index), window, normed)
        layers.append(Layer(f"layers.{index}.", operations))
    return layers


def _kind(config: Config, index: int) -> str:
    """Which attention a layer has, as newer configs list it or older ones count it."""
    kinds = config.values.get("layer_types")
    if kinds is None:
        every = config.setting("global_attn_every_n_layers", 3)
        if every < 1:
            raise UnsupportedModelError(
                f"global_attn_every_n_layers in the model's config is {every}; expected 1 or more"
            )
        return _LOCAL if index % every else _GLOBAL
    if not isinstance(kinds, list) or index >= len(kinds) or kinds[index] not in [*_THETAS]:
        raise UnsupportedModelError(
            f"layer_types in the model's config are {quoted(kinds)}; "
            f"expected {listed(_THETAS)} for each layer"
        )
    return str(kinds[index])


def _angles(kind: str, config: Config, hidden: int) -> Vector:
    """Cosines, then sines, of each position's angles, of shape `(positions, features of a head)`.

    Raises:
        UnsupportedModelError: the config asks for other angles, or for no positions.
    """
    rows = config.setting("max_position_embeddings", 8192)
    if not 1 <= rows <= _MOST_POSITIONS:
        raise UnsupportedModelError(
            f"max_position_embeddings in the model's config is {rows}; "
            f"expected 1 to {_MOST_POSITIONS:,}"
        )
    size = hidden // max(config.count("num_attention_heads"), 1)
    powers = np.arange(0, size, 2, dtype=np.float32) / np.float32(size)
    frequencies = np.float32(1) / np.power(_theta(kind, config), powers.astype(np.float64)).astype(
        np.float32
    )
    angles = np.arange(rows, dtype=np.float32)[:, None] * frequencies
    return np.concatenate([np.cos(angles), np.sin(angles)], axis=1)


def _theta(kind: str, config: Config) -> float:
    """The base of the angles' frequencies, as newer configs have it or older ones."""
    older, usual = _THETAS[kind]
    parameters = config.values.get("rope_parameters")
    given = parameters.get(kind) if isinstance(parameters, dict) else None
    own = Config(given if isinstance(given, dict) else {})
    if own.setting("rope_type", "default") != "default" or config.values.get("rope_scaling"):
        raise UnsupportedModelError(
            f"the model's config asks for rotary positions {quoted(given)}; "
            "the engine runs rope_type 'default' only"
        )
    theta = own.setting("rope_theta", config.setting(older, usual))
    if not 1 < theta < float(np.finfo(np.float32).max):  # false for NaN
        raise UnsupportedModelError(
            f"rope_theta in the model's config is {theta}; expected a number above 1, as {usual}"
        )
    return theta


_EMBEDDINGS: Operations = (
    Gather(HIDDEN, {"tokens": "embeddings.tok_embeddings"}),
    _norm("embeddings.norm", HIDDEN, HIDDEN),
    Gather(f"angles of {_GLOBAL}", {"positions": partial(_angles, _GLOBAL)}),
    Gather(f"angles of {_LOCAL}", {"positions": partial(_angles, _LOCAL)}),
)

_HEAD = Step(
    "head.dense",
    "gelu",
    key="classifier_activation",
    bias="classifier_bias",
    norm=StepNorm("head.norm", "norm_eps", 1e-5, "norm_bias"),
)

MODERNBERT = Architecture(
    prefix="model.",
    base="ModernBertModel",
    heads={
        "ModernBertModel": sentence_embedding,
        "ModernBertForSequenceClassification": sequence_classification(
            _HEAD, Step("classifier"), pooling="classifier_pooling"
        ),
        "ModernBertForTokenClassification": token_classification(_HEAD, Step("classifier")),
        "ModernBertForQuestionAnswering": question_answering(_HEAD, Step("classifier")),
    },
    positions=from_zero,
    embeddings=lambda config: _EMBEDDINGS,
    layers=_layers,
    end=(_norm("final_norm", HIDDEN, HIDDEN),),
    roots=("embeddings.", "layers.", "final_norm."),
)
