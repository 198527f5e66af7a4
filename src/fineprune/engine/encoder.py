"""From a packed model's tensors to the native encoder."""

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from fineprune.engine.architectures import Architecture
from fineprune.engine.config import Config
from fineprune.engine.errors import UnsupportedModelError, WeightsError
from fineprune.engine.matrices import Arithmetic, as_dense
from fineprune.engine.precision import LinearTensor
from fineprune.engine.rounding import Norm
from fineprune.engine.weights import MatrixMaker, Weights

if TYPE_CHECKING:
    from fineprune.engine._native import Embedding, Encoder

_EPSILON = 1e-12  # of LayerNorms whose config does not tell; so in transformers, for all of these
_ORDINARY = {"position_embedding_type": "absolute", "is_decoder": False}


def build_encoder(
    architecture: Architecture,
    config: Config,
    weights: Weights,
    make: MatrixMaker,
    arithmetic: Arithmetic,
    threads: int,
) -> "Encoder":
    """Prepares all of a model but its head.

    Args:
        architecture: names of its tensors.
        config: its config.
        weights: its tensors, the architecture's prefix taken off.
        make: makes matrices ready to multiply with.
        arithmetic: what for.
        threads: how many run it.

    Raises:
        UnsupportedModelError: the config asks for what the engine does not do.
        WeightsError: a tensor is missing, or its shape does not fit.
    """
    from fineprune.engine._native import Encoder

    _check_ordinary(config)
    hidden = hidden_size(architecture, weights)
    heads = config.count(architecture.config.heads)
    if heads < 1 or hidden % heads:
        raise UnsupportedModelError(
            f"{architecture.config.heads} in the model's config is {heads}, "
            f"which does not divide the hidden size {hidden}"
        )
    return Encoder(
        _embeddings(architecture, weights, hidden, make),
        [
            _layer(architecture, weights.below(f"{architecture.layers}.{index}."), hidden, make)
            for index in range(_count_layers(architecture, weights))
        ],
        heads=heads,
        epsilon=_epsilon(architecture, config),
        activation=config.activation(architecture.config.activation),
        bias=None if architecture.bias is None else architecture.bias(weights, heads),
        precision=arithmetic.precision,
        instruction_set=arithmetic.instruction_set,
        threads=threads,
    )


def linear_tensors(architecture: Architecture, weights: Weights) -> list[LinearTensor]:
    """The matrices of an encoder's linears, and the LayerNorms before them.

    Args:
        architecture: names of its tensors.
        weights: its tensors, the architecture's prefix taken off.

    Raises:
        WeightsError: a tensor is missing, or its shape does not fit.
    """
    hidden = hidden_size(architecture, weights)
    names = architecture.embeddings
    width = _embedding_width(architecture, weights, hidden)
    norm: Norm | None = weights.norm(names.norm, width)
    found = []
    if weights.has(f"{names.projection}.weight"):
        found.append(_linear_tensor(weights, names.projection, (hidden, width), norm))
        norm = None
    for index in range(_count_layers(architecture, weights)):
        own = weights.below(f"{architecture.layers}.{index}.")
        parts = architecture.layer
        middle = own.norm(parts.attention_norm, hidden)
        before = {"query": norm, "key": norm, "value": norm, "up": middle}
        found += [
            _linear_tensor(own, getattr(parts, part), shape, before.get(part))
            for part, shape in _layer_shapes(architecture, own, hidden).items()
        ]
        norm = own.norm(parts.output_norm, hidden)
    return found


def _linear_tensor(
    weights: Weights, name: str, shape: tuple[int, int], norm: Norm | None
) -> LinearTensor:
    tensor = weights.matrix(f"{name}.weight", *shape)
    return LinearTensor(f"{weights.prefix}{name}.weight", tensor, norm)


def hidden_size(architecture: Architecture, weights: Weights) -> int:
    """Size of the hidden states, which a model's first layer tells."""
    first = weights.below(f"{architecture.layers}.0.")
    return first.shape(f"{architecture.layer.query}.weight")[0]


def _epsilon(architecture: Architecture, config: Config) -> float:
    key = architecture.config.epsilon
    return _EPSILON if key is None else config.epsilon(key, _EPSILON)


def _check_ordinary(config: Config) -> None:
    for key, ordinary in _ORDINARY.items():
        if config.values.get(key, ordinary) != ordinary:
            raise UnsupportedModelError(
                f"{key} in the model's config is {config.values[key]!r}; "
                f"the engine runs {ordinary!r} only"
            )


def _count_layers(architecture: Architecture, weights: Weights) -> int:
    name = re.compile(rf"{re.escape(weights.prefix + architecture.layers)}\.(\d{{1,4}})\.")
    numbers = {int(found[1]) for tensor in weights.tensors if (found := name.match(tensor))}
    count = len(numbers)
    if numbers != set(range(count)):
        raise WeightsError(f"layers are numbered {sorted(numbers)}; expected 0 to {count - 1}")
    return count


def _embeddings(
    architecture: Architecture, weights: Weights, hidden: int, make: MatrixMaker
) -> dict[str, Any]:
    names = architecture.embeddings
    width = _embedding_width(architecture, weights, hidden)
    projected = weights.has(f"{names.projection}.weight")
    return {
        "word": _table(weights, names.word, width),
        "position": _table(weights, names.position, width),
        "type": None if names.type is None else _table(weights, names.type, width),
        "norm": weights.norm(names.norm, width),
        "projection": (
            weights.linear(names.projection, hidden, width, make) if projected else None
        ),
    }


def _embedding_width(architecture: Architecture, weights: Weights, hidden: int) -> int:
    names = architecture.embeddings
    _, width = weights.shape(f"{names.word}.weight")
    if width != hidden and not weights.has(f"{names.projection}.weight"):
        raise WeightsError(f"embeddings are {width} wide and layers {hidden}: no projection")
    return width


def _table(weights: Weights, name: str, width: int) -> "Embedding":
    from fineprune.engine._native import Embedding

    rows, _ = weights.shape(f"{name}.weight")
    tensor = as_dense(weights.matrix(f"{name}.weight", rows, width))
    if tensor.scales is not None:
        return Embedding(rows, width, tensor.values, tensor.scales.per_row())
    dtype = tensor.values.dtype if tensor.values.dtype == np.float16 else np.float32
    return Embedding(rows, width, np.ascontiguousarray(tensor.values, dtype), None)


def _layer(
    architecture: Architecture, weights: Weights, hidden: int, make: MatrixMaker
) -> dict[str, Any]:
    names = architecture.layer
    linears = {
        part: weights.linear(getattr(names, part), *shape, make)
        for part, shape in _layer_shapes(architecture, weights, hidden).items()
    }
    norms = {
        part: weights.norm(getattr(names, part), hidden)
        for part in ("attention_norm", "output_norm")
    }
    return linears | norms


def _layer_shapes(
    architecture: Architecture, weights: Weights, hidden: int
) -> dict[str, tuple[int, int]]:
    """Shapes of a layer's matrices, by part."""
    inner, _ = weights.shape(f"{architecture.layer.up}.weight")
    return {
        "query": (hidden, hidden),
        "key": (hidden, hidden),
        "value": (hidden, hidden),
        "output": (hidden, hidden),
        "up": (inner, hidden),
        "down": (hidden, inner),
    }
