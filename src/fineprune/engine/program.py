"""An architecture's operations on the tensors of one model: what the native encoder runs."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fineprune.engine.architectures import Architecture
from fineprune.engine.architectures.architecture import HIDDEN
from fineprune.engine.architectures.operations import (
    Attention,
    Convolution,
    DistanceFeatures,
    Gather,
    Ids,
    Linear,
    Multiply,
    Norm,
    Operation,
    Rotate,
)
from fineprune.engine.config import Config
from fineprune.engine.errors import UnsupportedModelError, WeightsError
from fineprune.engine.matrices import some_rows
from fineprune.engine.rounding import Norm as NormWeights
from fineprune.engine.weights import Vector, Weights
from fineprune.packing import DenseTensor, Tensor


@dataclass(frozen=True, eq=False)
class BoundGather:
    """A `Gather` with its tables, each a tensor of shape `(rows, features)`."""

    target: str
    tables: Mapping[Ids, Tensor]


@dataclass(frozen=True, eq=False)
class BoundNorm:
    """A `Norm` with its weights, of shape `(features,)`."""

    source: str
    target: str
    weights: NormWeights
    epsilon: float


@dataclass(frozen=True, eq=False)
class BoundLinear:
    """A `Linear` with its weights.

    Attributes:
        source: what it reads.
        target: where it writes to.
        name: of the tensor, and which rows of it where these are not all.
        weight: of shape `(rows, columns)`.
        bias: of shape `(rows,)`.
        activation: by the name that the native part knows.
        adds: whether it adds to what is there.
        norm: the LayerNorm whose outputs it reads; None for other inputs.
    """

    source: str
    target: str
    name: str
    weight: Tensor
    bias: Vector
    activation: str
    adds: bool
    norm: NormWeights | None


@dataclass(frozen=True)
class BoundNeighbours:
    """`target` is what a token and its neighbours, `width` of them, have in `source`."""

    source: str
    target: str
    width: int


@dataclass(frozen=True, eq=False)
class BoundRotate:
    """A `Rotate` with its number of heads."""

    target: str
    angles: str
    heads: int


@dataclass(frozen=True, eq=False)
class BoundAttention:
    """An `Attention` with its numbers."""

    queries: str
    keys: str
    values: str
    heads: int
    window: int
    bias: Vector | None
    terms: int
    distances: DistanceFeatures | None


BoundOperation = (
    BoundGather
    | BoundNorm
    | BoundLinear
    | BoundNeighbours
    | Multiply
    | BoundRotate
    | BoundAttention
)


@dataclass(frozen=True, eq=False)
class Program:
    """All that an encoder computes.

    Attributes:
        operations: in order.
        hidden: size of the hidden states, which the buffer `HIDDEN` holds at the end.
        knows_distances: whether it matters how far apart two tokens stand.
    """

    operations: tuple[BoundOperation, ...]
    hidden: int
    knows_distances: bool

    def rows(self, ids: Ids) -> int:
        """How many such ids there are; 0 where nothing is looked up by them."""
        tables = [
            one.tables[ids].shape[0]
            for one in self.operations
            if isinstance(one, BoundGather) and ids in one.tables
        ]
        return min(tables, default=0)

    @property
    def linears(self) -> list[BoundLinear]:
        """The linears; one that is run again and again stands here as often."""
        return [one for one in self.operations if isinstance(one, BoundLinear)]


_WIDEST = 256  # of convolutions
_ORDINARY = {"position_embedding_type": "absolute", "is_decoder": False}


def bind(architecture: Architecture, config: Config, weights: Weights) -> Program:
    """The program of a model.

    Args:
        architecture: its operations.
        config: its config.
        weights: its tensors, the architecture's prefix taken off.

    Raises:
        UnsupportedModelError: the config asks for what the engine does not do.
        WeightsError: a tensor is missing, or its shape does not fit.
    """
    _check_ordinary(config)
    layers = list(architecture.layers(config, weights))
    hidden = _hidden_size(layers[0].operations, weights.below(layers[0].prefix))
    binder = _Binder(config, weights, hidden)
    before = architecture.embeddings(config)
    for operation in before:
        binder.leave_out(operation, weights)
    for operation in before:
        binder.add(operation, weights)
    for layer in layers:
        for operation in layer.operations:
            binder.add(operation, weights.below(layer.prefix))
    for operation in architecture.end:
        binder.add(operation, weights)
    return binder.program()


def _check_ordinary(config: Config) -> None:
    for key, ordinary in _ORDINARY.items():
        if config.values.get(key, ordinary) != ordinary:
            raise UnsupportedModelError(
                f"{key} in the model's config is {config.values[key]!r}; "
                f"the engine runs {ordinary!r} only"
            )


def _hidden_size(operations: tuple[Operation, ...], weights: Weights) -> int:
    """Size of the hidden states, which the first linear of a model's first layer tells."""
    first = next(one for one in operations if isinstance(one, Linear))
    return weights.shape(f"{first.module}.weight")[0] // first.part[1]


class _Binder:
    """Binds operations one after another.

    Args:
        config: of the model.
        weights: all of its tensors, the prefix taken off.
        hidden: size of the hidden states.
    """

    def __init__(self, config: Config, weights: Weights, hidden: int) -> None:
        self._config, self._weights, self._hidden = config, weights, hidden
        self._sizes = {HIDDEN: hidden}
        self._norms: dict[str, NormWeights] = {}  # of buffers that hold what a norm has left
        self._same: dict[str, str] = {}  # other names of buffers
        self._operations: list[BoundOperation] = []
        self._knows_distances = False

    def program(self) -> Program:
        """All that was bound."""
        return Program(tuple(self._operations), self._hidden, self._knows_distances)

    def leave_out(self, operation: Operation, weights: Weights) -> None:
        """Makes one buffer of two, where a model lacks the linear between them."""
        if (
            isinstance(operation, Linear)
            and operation.optional
            and not weights.has(f"{operation.module}.weight")
        ):
            self._same[operation.source] = operation.target
            self._sizes[operation.target] = self._hidden

    def add(self, operation: Operation, weights: Weights) -> None:
        """Binds an operation to tensors whose names go on after a prefix."""
        match operation:
            case Gather():
                bound: BoundOperation | None = self._gather(operation, weights)
            case Norm():
                bound = self._norm(operation, weights)
            case Linear():
                bound = self._linear(operation, weights)
            case Multiply():
                bound = operation
            case Rotate():
                bound = self._rotate(operation)
            case Attention():
                bound = self._attention(operation, weights)
            case Convolution():
                bound = self._convolution(operation, weights)
        if bound is not None:
            self._operations.append(bound)

    def _gather(self, operation: Gather, weights: Weights) -> BoundGather:
        target = self._name(operation.target)
        tables: dict[Ids, Tensor] = {}
        for ids, source in operation.tables.items():
            if callable(source):
                table = source(self._config, self._hidden)
                self._sizes[target] = table.shape[1]
                tables[ids] = DenseTensor(table.shape, table)
            else:
                rows, columns = weights.shape(f"{source}.weight")
                size = self._sizes.setdefault(target, columns)
                if ids == "tokens" and columns != size:
                    raise WeightsError(
                        f"embeddings are {columns} wide and layers {size}: no projection"
                    )
                tables[ids] = weights.matrix(f"{source}.weight", rows, size)
        return BoundGather(target, tables)

    def _norm(self, operation: Norm, weights: Weights) -> BoundNorm:
        source, target = self._name(operation.source), self._name(operation.target)
        size = self._sizes[source]
        bias = weights.bias(operation.module, size, self._has(operation.bias))
        pair = weights.vector(f"{operation.module}.weight", size), bias
        self._sizes[target] = size
        self._norms[target] = pair
        key, default = operation.epsilon, operation.default
        return BoundNorm(
            source, target, pair, default if key is None else self._config.epsilon(key, default)
        )

    def _linear(self, operation: Linear, weights: Weights) -> BoundLinear | None:
        name = f"{operation.module}.weight"
        source, target = self._name(operation.source), operation.target
        if source == target:
            return None
        index, parts = operation.part
        wanted = operation.size or target
        rows = self._sizes.get(wanted) or weights.shape(name)[0] // parts
        whole = weights.matrix(name, parts * rows, self._sizes[source])
        bias = weights.bias(operation.module, parts * rows, self._has(operation.bias))
        own = slice(index * rows, (index + 1) * rows)
        self._sizes[target] = rows
        norm = self._norms.get(source)
        self._norms.pop(target, None)
        key = operation.activation
        return BoundLinear(
            source,
            target,
            weights.prefix + name + (f"[{own.start}:{own.stop}]" if parts > 1 else ""),
            some_rows(whole, own.start, own.stop) if parts > 1 else whole,
            np.ascontiguousarray(bias[own]),
            "none" if key is None else self._config.activation(key, operation.usual),
            operation.adds,
            norm,
        )

    def _convolution(self, operation: Convolution, weights: Weights) -> BoundLinear:
        width = self._config.count(operation.width)
        if not 0 < width < _WIDEST or width % 2 == 0:
            raise UnsupportedModelError(
                f"{operation.width} in the model's config is {width}; "
                f"expected an odd number below {_WIDEST}"
            )
        rows, columns = self._sizes[operation.target], self._sizes[operation.source]
        name = f"{operation.module}.weight"
        around = f"{operation.source} around"
        self._operations.append(BoundNeighbours(operation.source, around, width))
        self._knows_distances = True
        self._norms.pop(operation.target, None)
        return BoundLinear(
            around,
            operation.target,
            weights.prefix + name,
            weights.tensor(name, (rows, columns, width)),
            weights.bias(operation.module, rows),
            self._config.activation(operation.activation, operation.usual),
            True,
            None,
        )

    def _attention(self, operation: Attention, weights: Weights) -> BoundAttention:
        make = operation.distances
        heads = self._heads(operation.heads)
        self._knows_distances |= operation.knows_distances
        return BoundAttention(
            operation.queries,
            operation.keys,
            operation.values,
            heads,
            operation.window,
            None if operation.bias is None else operation.bias(self._weights, heads),
            operation.terms,
            None if make is None else make(self._weights, weights, self._hidden),
        )

    def _rotate(self, operation: Rotate) -> BoundRotate:
        heads = self._heads(operation.heads)
        size = self._hidden // heads
        if size % 2:
            raise UnsupportedModelError(
                f"{operation.heads} in the model's config is {heads}: "
                f"heads of size {size} have no halves to rotate"
            )
        return BoundRotate(operation.target, operation.angles, heads)

    def _heads(self, key: str) -> int:
        heads = self._config.count(key)
        if heads < 1 or self._hidden % heads:
            raise UnsupportedModelError(
                f"{key} in the model's config is {heads}, "
                f"which does not divide the hidden size {self._hidden}"
            )
        return heads

    def _has(self, bias: bool | str) -> bool:
        return self._config.flag(bias) if isinstance(bias, str) else bias

    def _name(self, buffer: str) -> str:
        return self._same.get(buffer, buffer)
