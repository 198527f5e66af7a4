"""What an encoder does, step by step: operations over named buffers of features of every token.

Modules and config keys are named as in transformers; names of modules in a layer go on after that
of the layer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fineprune.engine.config import Config
from fineprune.engine.weights import Vector, Weights

Ids = Literal["tokens", "positions", "types"]
"""Numbers that come with each token, by which rows of tables are looked up."""

TableMaker = Callable[[Config, int], Vector]
"""From the config and the hidden size to a table of shape `(rows, features)` that no file holds."""

BiasMaker = Callable[[Weights, int], Vector]
"""From all tensors and the number of heads to what attention adds to scores by distance.

Of shape `(heads, 2 * reach + 1)`, for queries that stand so far behind a key, from `-reach` to
`reach`; what is farther away counts as if it were that far.
"""


@dataclass(frozen=True, eq=False)
class DistanceFeatures:
    """What queries and keys are multiplied with beside each other, by distance.

    Attributes:
        rows: int32 of shape `(2 * reach + 1,)`: rows of the tables, for queries that stand so far
            behind a key, from `-reach` to `reach`; what is farther away has those of the ends.
        keys: of shape `(rows, features)`, for queries; None for nothing.
        queries: likewise, for keys.
    """

    rows: NDArray[np.int32]
    keys: Vector | None
    queries: Vector | None


DistanceMaker = Callable[[Weights, Weights, int], DistanceFeatures | None]
"""From all tensors, those of the layer and the hidden size to features of distances."""


@dataclass(frozen=True)
class Gather:
    """`target` is the sum of a row of each table."""

    target: str
    tables: Mapping[Ids, str | TableMaker]


@dataclass(frozen=True)
class Norm:
    """`target` is the LayerNorm of `source`.

    Attributes:
        module: of its weight and bias.
        source: what it reads.
        target: where it writes to; may be the same.
        epsilon: key in the config; None where it is always the default.
        default: what transformers takes where the config has no such key.
        bias: whether it has a bias, or the key in the config that says so.
    """

    module: str
    source: str
    target: str
    epsilon: str | None = "layer_norm_eps"
    default: float = 1e-12
    bias: bool | str = True


@dataclass(frozen=True)
class Linear:
    """`target` is `activation(source @ weight.T + bias)`, or that is added to it.

    Attributes:
        module: of weight and bias.
        source: what it reads.
        target: where it writes to.
        activation: key in the config; None for none.
        usual: the activation that transformers takes where the config has no such key.
        adds: whether it adds to what is there.
        part: which one, of how many equal parts of the rows.
        size: the buffer whose size `target` has; None if it is its own, or of any size.
        optional: whether models may lack the module: `target` is then another name of `source`.
        bias: whether it has a bias, or the key in the config that says so.
    """

    module: str
    source: str
    target: str
    activation: str | None = None
    usual: str = "gelu"
    adds: bool = False
    part: tuple[int, int] = (0, 1)
    size: str | None = None
    optional: bool = False
    bias: bool | str = True


@dataclass(frozen=True)
class Convolution:
    """The activation of a convolution over a token and its neighbours is added to `target`.

    Attributes:
        module: of weight, of shape `(out, in, width)`, and bias.
        source: what it reads; nothing has written to it since the last attention.
        target: what it is added to.
        width: key in the config: how many tokens it is over.
        activation: key in the config.
        usual: the activation that transformers takes where the config has no such key.
    """

    module: str
    source: str
    target: str
    width: str
    activation: str
    usual: str


@dataclass(frozen=True)
class Multiply:
    """`target` is multiplied with `source`, number by number."""

    source: str
    target: str


@dataclass(frozen=True)
class Rotate:
    """Features of heads of `target` are turned by `angles`: their cosines, then sines."""

    target: str
    angles: str
    heads: str = "num_attention_heads"


@dataclass(frozen=True)
class Attention:
    """Multi-head attention of each text to itself. Contexts take the place of queries.

    Attributes:
        queries: the buffer that they stand in.
        keys: likewise.
        values: likewise.
        heads: key in the config.
        window: tokens that stand farther apart do not see each other; 0: all do.
        bias: what is added to scores by distance; None for nothing.
        terms: how many products a score is the sum of, which are scaled together.
        distances: what there is beside the product of query and key; None for nothing.
    """

    queries: str = "query"
    keys: str = "key"
    values: str = "value"
    heads: str = "num_attention_heads"
    window: int = 0
    bias: BiasMaker | None = None
    terms: int = 1
    distances: DistanceMaker | None = None

    @property
    def knows_distances(self) -> bool:
        """Whether it matters how far apart two tokens stand."""
        return self.window > 0 or self.bias is not None or self.distances is not None


Operation = Gather | Norm | Linear | Convolution | Multiply | Rotate | Attention
Operations = tuple[Operation, ...]
