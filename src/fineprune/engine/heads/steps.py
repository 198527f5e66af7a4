"""Linear layers one after another, each with its activation: what most heads are."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fineprune.engine.errors import UnsupportedModelError
from fineprune.engine.heads.head import Floats, HeadSource
from fineprune.wording import listed, quoted

if TYPE_CHECKING:
    from fineprune.engine._native import Matrix


def _gelu(x: Floats) -> Floats:
    from fineprune.engine import _native

    return _native.gelu(x)


def _relu(x: Floats) -> Floats:
    return np.maximum(x, np.float32(0))


def _identity(x: Floats) -> Floats:
    return x


ACTIVATIONS: Mapping[str, Callable[[Floats], Floats]] = {
    "gelu": _gelu,
    "identity": _identity,
    "relu": _relu,
    "tanh": np.tanh,
}


@dataclass(frozen=True)
class StepNorm:
    """A LayerNorm in a head.

    Attributes:
        name: of its module in the model.
        epsilon: key in the config.
        default: what transformers takes where the config has no such key.
        bias: key in the config that says whether it has a bias.
    """

    name: str
    epsilon: str
    default: float
    bias: str


@dataclass(frozen=True)
class Step:
    """A linear layer of a head.

    Attributes:
        name: of its module in the model.
        activation: what follows it.
        key: in the config, of another activation than that; None where there is none.
        bias: key in the config that says whether it has a bias; None if it always has.
        norm: what follows the activation.
    """

    name: str
    activation: str = "identity"
    key: str | None = None
    bias: str | None = None
    norm: "StepNorm | None" = None


@dataclass(frozen=True, eq=False)
class Layer:
    """A step with its weights.

    Attributes:
        matrix: of shape `(out, in)`.
        bias: of shape `(out,)`.
        activation: what follows.
    """

    matrix: "Matrix"
    bias: Floats
    activation: Callable[[Floats], Floats]

    def __call__(self, x: Floats) -> Floats:
        """`activation(x @ matrix.T + bias)` for x of shape `(n, in)`."""
        return self.activation(self.matrix.multiply(np.ascontiguousarray(x)) + self.bias)


@dataclass(frozen=True, eq=False)
class LayerNorm:
    """A LayerNorm with its weights, of shape `(features,)`."""

    weight: Floats
    bias: Floats
    epsilon: float

    def __call__(self, x: Floats) -> Floats:
        """Each row of x, of shape `(n, features)`, normalized, times weight, plus bias."""
        centred = x - x.mean(axis=1, keepdims=True)
        variance = np.square(centred).mean(axis=1, keepdims=True)
        normal: Floats = centred / np.sqrt(variance + np.float32(self.epsilon))
        return normal * self.weight + self.bias


Layers = tuple[Layer | LayerNorm, ...]


def make_layers(steps: Sequence[Step], source: HeadSource) -> Layers:
    """The layers of a head; all but the last keep the encoder's size."""
    layers: list[Layer | LayerNorm] = []
    for index, step in enumerate(steps):
        last = index == len(steps) - 1
        rows = source.weights.shape(f"{step.name}.weight")[0] if last else source.hidden
        layers.append(_layer(step, rows, source))
        if step.norm is not None:
            layers.append(_norm(step.norm, rows, source))
    return tuple(layers)


def _layer(step: Step, rows: int, source: HeadSource) -> Layer:
    weights, config = source.weights, source.config
    matrix = weights.matrix(f"{step.name}.weight", rows, source.hidden)
    bias = weights.bias(step.name, rows, step.bias is None or config.flag(step.bias))
    activation = ACTIVATIONS[step.activation]
    if step.key is not None:
        name = config.setting(step.key, step.activation)
        if name not in ACTIVATIONS:
            raise UnsupportedModelError(
                f"{step.key} in the model's config is {quoted(name)}; "
                f"the engine knows {listed(ACTIVATIONS)} in heads"
            )
        activation = ACTIVATIONS[name]
    return Layer(source.matrix(f"{step.name}.weight", matrix), bias, activation)


def _norm(norm: StepNorm, size: int, source: HeadSource) -> LayerNorm:
    weights, config = source.weights, source.config
    return LayerNorm(
        weights.vector(f"{norm.name}.weight", size),
        weights.bias(norm.name, size, config.flag(norm.bias)),
        config.epsilon(norm.epsilon, norm.default),
    )


def apply(layers: Layers, x: Floats) -> Floats:
    """All layers, one after another."""
    for layer in layers:
        x = layer(x)
    return x
