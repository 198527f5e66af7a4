"""Linear layers one after another, each with its activation: what most heads are."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fineprune.engine.heads.head import Floats, HeadSource

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
class Step:
    """A linear layer of a head.

    Attributes:
        name: of its module in the model.
        activation: what follows it.
    """

    name: str
    activation: str = "identity"


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


Layers = tuple[Layer, ...]


def make_layers(steps: Sequence[Step], source: HeadSource) -> Layers:
    """The layers of a head; all but the last keep the encoder's size."""
    layers = []
    for index, step in enumerate(steps):
        last = index == len(steps) - 1
        rows = source.weights.shape(f"{step.name}.weight")[0] if last else source.hidden
        linear = source.weights.linear(step.name, rows, source.hidden, source.matrix)
        layers.append(Layer(*linear, ACTIVATIONS[step.activation]))
    return tuple(layers)


def apply(layers: Layers, x: Floats) -> Floats:
    """All layers, one after another."""
    for layer in layers:
        x = layer(x)
    return x
