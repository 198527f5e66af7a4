"""What a report says, as plain data: the page, the terminal and `--json` show these and no more."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from fineprune.report.frontier.records import Frontier

Kind = Literal["run", "folder", "packed file"]


@dataclass(frozen=True)
class MatrixDensity:
    """What is left of a matrix.

    Attributes:
        name: in words.
        tensor: its name in the model.
        layer: its number, or None.
        part: what it is in its layer.
        rows: its outputs.
        columns: its inputs.
        kept: weights that are not zero.
        empty_rows: outputs that keep no weight.
        empty_columns: inputs that no kept weight reads.
    """

    name: str
    tensor: str
    layer: int | None
    part: str
    rows: int
    columns: int
    kept: int
    empty_rows: int
    empty_columns: int

    @property
    def density(self) -> float:
        """Kept weights over all."""
        return self.kept / (self.rows * self.columns)


@dataclass(frozen=True)
class HeadDensity:
    """What is left of an attention head, over its share of the layer's four matrices."""

    layer: int
    head: int
    kept: int
    density: float


@dataclass(frozen=True)
class Histogram:
    """How often values occur.

    Attributes:
        edges: of the bins, one more than there are bins.
        counts: by bin; what lies outside counts to the bins at the ends.
    """

    edges: Sequence[float]
    counts: Sequence[int]


@dataclass(frozen=True)
class Structure:
    """How much of whole rows, columns and heads is gone.

    Attributes:
        rows: of all matrices.
        empty_rows: that keep no weight.
        columns: of all matrices.
        empty_columns: that keep no weight.
        heads: of all layers; 0 where the model's are not known.
        empty_heads: that keep no weight in any of their four matrices.
    """

    rows: int
    empty_rows: int
    columns: int
    empty_columns: int
    heads: int
    empty_heads: int


@dataclass(frozen=True)
class PartBytes:
    """Bytes of a part of a model.

    Attributes:
        part: encoder, embeddings, head, tokenizer and settings, tables and header.
        dense: before pruning: four bytes a weight.
        finalized: in a plain folder, which stores zeros like all other weights.
        packed: in a packed file.
        bound: what the packed weights would take if positions were drawn evenly in each matrix, and
            each position and value cost its entropy; None for what is no weights.
    """

    part: str
    dense: int
    finalized: int
    packed: int
    bound: int | None


@dataclass(frozen=True)
class MatrixTime:
    """How a matrix runs in the engine.

    Attributes:
        name: in words.
        form: what it runs as: `sparse` or `dense`.
        precision: of its arithmetic.
        milliseconds: of one multiplication with the report's tokens on one thread.
        reason: why so.
    """

    name: str
    form: str
    precision: str
    milliseconds: float
    reason: str


@dataclass(frozen=True)
class LayerTime:
    """Milliseconds of a layer.

    Attributes:
        layer: its number.
        attention_linears: of query, key, value and output.
        feed_forward_linears: of the others.
        attention: between them: scores, softmax, and the sums of values.
    """

    layer: int
    attention_linears: float
    feed_forward_linears: float
    attention: float


@dataclass(frozen=True)
class Duration:
    """Where time goes in the engine, for one text.

    Attributes:
        tokens: of the text.
        arithmetic: that the model runs in.
        instructions: of the kernels.
        whole: milliseconds of a run on one thread.
        linears: of that, the matrices' multiplications.
        attention: of that, attention between the linears.
        rest: of that, LayerNorm, activations, embeddings and head.
        layers: linears and attention by layer.
        matrices: the linears one by one.
    """

    tokens: int
    arithmetic: str
    instructions: str
    whole: float
    linears: float
    attention: float
    rest: float
    layers: Sequence[LayerTime]
    matrices: Sequence[MatrixTime]


@dataclass(frozen=True)
class LogLine:
    """A line of a run's log; None where there was nothing to log.

    Attributes:
        step: of the optimizer.
        level: the number that makes masks of scores.
        density: kept over prunable weights.
        task_loss: mean since the last line, without what follows.
        teacher: the divergence from the teacher, likewise and before its weight.
        penalty: likewise and before its weight.
        learning_rate: of the weights.
        score_learning_rate: of the scores.
    """

    step: int
    level: float | None
    density: float | None
    task_loss: float | None
    teacher: float | None
    penalty: float | None
    learning_rate: float | None
    score_learning_rate: float | None


@dataclass(frozen=True)
class ModelReport:
    """Everything about one model.

    Attributes:
        name: how the report calls it.
        path: where it lies.
        kind: what it is.
        architecture: its class.
        base_model: what it was made from, as its recipe says; empty where there is none.
        metrics: that were recorded with it.
        examples: that they were computed on.
        kept: weights that are not zero.
        prunable: weights that could have been pruned.
        bits: of the packed weights in layers; None where the file does not tell.
        embedding_bits: of the packed embeddings.
        matrices: what is left of each.
        heads: what is left of each; empty where they are not known.
        structure: whole rows, columns and heads.
        weights: a histogram of those that are kept; None where none are.
        scores: a histogram, for runs whose method learns them.
        bytes: by part.
        duration: None where the engine does not run it.
        not_timed: why there is none.
        log: of the run; empty where there is none.
        words: what the figures come to.
    """

    name: str
    path: str
    kind: Kind
    architecture: str
    base_model: str
    metrics: Mapping[str, float]
    examples: int | None
    kept: int
    prunable: int
    bits: int | None
    embedding_bits: int | None
    matrices: Sequence[MatrixDensity]
    heads: Sequence[HeadDensity]
    structure: Structure
    weights: Histogram | None
    scores: Histogram | None
    bytes: Sequence[PartBytes]
    duration: Duration | None
    not_timed: str
    log: Sequence[LogLine]
    words: Sequence[str] = ()

    @property
    def density(self) -> float:
        """Kept over prunable weights."""
        return self.kept / self.prunable if self.prunable else 1.0

    @property
    def packed_bytes(self) -> int:
        """Of the whole file."""
        return sum(part.packed for part in self.bytes)

    @property
    def dense_bytes(self) -> int:
        """Of the model before pruning."""
        return sum(part.dense for part in self.bytes)


@dataclass(frozen=True)
class Report:
    """Models side by side.

    Attributes:
        fineprune: version of this package.
        frontiers: accuracy against cost.
        models: each in detail.
    """

    fineprune: str
    frontiers: Sequence[Frontier]
    models: Sequence[ModelReport]

    def record(self) -> dict[str, Any]:
        """All of it as JSON types, with what follows from it beside it."""
        record = asdict(self)
        for one, model in zip(record["models"], self.models, strict=True):
            one["density"] = model.density
            one["packed_bytes"], one["dense_bytes"] = model.packed_bytes, model.dense_bytes
            for entry, matrix in zip(one["matrices"], model.matrices, strict=True):
                entry["density"] = matrix.density
        return record
