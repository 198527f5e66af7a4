"""What came of measuring a frontier."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

VERSION = 1
FRONTIER_FILE = "frontier.json"

OURS = "fineprune"
"""The engine of this package, among those of points."""


@dataclass(frozen=True)
class Point:
    """A model in an engine: what it brings and what it costs.

    Attributes:
        engine: that it was measured in.
        precision: of the arithmetic.
        density: kept over prunable weights.
        bits: of packed weights in layers; None where they are not packed.
        embedding_bits: likewise.
        metrics: of the task; empty where nobody measured.
        bytes: of everything that is deployed, the tokenizer included.
        milliseconds: for one text at a time, a median.
        texts_per_second: in batches of 64 texts of like length; None where it was not measured.
    """

    engine: str
    precision: str
    density: float
    bits: int | None
    embedding_bits: int | None
    metrics: Mapping[str, float]
    bytes: int
    milliseconds: float | None
    texts_per_second: float | None


@dataclass(frozen=True)
class Machine:
    """What it was measured on.

    Attributes:
        cpu: its name.
        threads: of each engine.
        instructions: the set that the engine's kernels use.
    """

    cpu: str
    threads: int
    instructions: str


@dataclass(frozen=True)
class Frontier:
    """Points that were measured alike: pruned models, and the dense one beside them.

    Attributes:
        task: its kind, or in words.
        split: that was scored.
        metric: by which models are compared.
        rows: texts that were scored; None where it is not known.
        machine: what it was measured on.
        points: all that was measured.
        left_out: engines that were not, and why.
        words: what it says, in sentences.
        source: the run, or what is reported; empty where it is being measured.
    """

    task: str
    split: str
    metric: str
    rows: int | None
    machine: Machine
    points: Sequence[Point]
    left_out: Mapping[str, str] = field(default_factory=dict)
    words: Sequence[str] = ()
    source: str = ""

    def record(self) -> dict[str, Any]:
        """All of it as JSON types, as `frontier.json` has it."""
        record = asdict(self)
        del record["source"]  # where the file lies
        words = list(record.pop("words"))
        return {"version": VERSION, **record, "in_words": words}
