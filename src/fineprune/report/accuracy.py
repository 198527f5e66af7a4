"""How well a packed file does on a recipe's task, in the engine: no PyTorch."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fineprune.engine import Engine, MatrixPlan
from fineprune.engine.config import Config
from fineprune.engine.native import Precision
from fineprune.errors import CheckpointError
from fineprune.packing import PackedModel, read_packed
from fineprune.packing.quantize import Role
from fineprune.tasks.base import (
    Evaluation,
    EvaluationSet,
    Head,
    Logits,
    Split,
    evaluation_of,
)
from fineprune.tasks.heads import named_classes, require_same_labels
from fineprune.tasks.registry import TaskSettings, load_task
from fineprune.text.fast import FastTokenizer
from fineprune.text.settings import TOKENIZER

_MOST_TOKENS = 4096  # of a batch, padding counted

# By the auto class of transformers that a task asks for: names of the engine's outputs.
_OUTPUTS = {
    "AutoModelForSequenceClassification": ("logits",),
    "AutoModelForQuestionAnswering": ("start_logits", "end_logits"),
}
_CLASSES = {
    "AutoModelForSequenceClassification": "ForSequenceClassification",
    "AutoModelForQuestionAnswering": "ForQuestionAnswering",
}


def accuracy_in_engine(
    file: Path,
    task_settings: TaskSettings,
    *,
    split: Split = "validation",
    precision: Precision = "float32",
    threads: int | None = None,
) -> Evaluation:
    """Evaluates a packed file on a recipe's task, as `evaluate` does in PyTorch.

    Args:
        file: packed.
        task_settings: the section `task` of a recipe.
        split: to score; no other one is read.
        precision: as for `Engine`.
        threads: as for `Engine`.

    Raises:
        FinepruneError: the file cannot be run, the data cannot be read, or they do not fit.
    """
    packed = read_packed(file, tensors=())  # the engine reads the others
    labels = _labels(packed)
    task = load_task(task_settings, only=split, labels=named_classes(labels))
    _require_head(packed, task.head, labels, file)
    sets = task.evaluation_sets(_tokenizer(packed, file), split)
    engine = Engine(file, threads=threads, precision=precision)
    logits = [_logits(engine, one, _OUTPUTS[task.head.auto_model]) for one in sets]
    _require_outputs(logits[0], task.head, file)
    return evaluation_of(sets, logits, density=_density(engine.plan()), notes=task.notes)


def _labels(packed: PackedModel) -> dict[int, str]:
    names = packed.config.get("id2label")
    places = names if isinstance(names, dict) else {}
    return {int(place): str(name) for place, name in places.items() if str(place).isdecimal()}


def _require_head(packed: PackedModel, head: Head, labels: dict[int, str], file: Path) -> None:
    name = Config(packed.config).class_name()
    if not name.endswith(_CLASSES[head.auto_model]):
        raise CheckpointError(
            f"{file} holds a {name}, and the task needs one that {head.auto_model} loads"
        )
    names = head.config.get("id2label")
    if names is not None and labels:
        require_same_labels(names, labels, f"the model {str(file)!r}")


def _require_outputs(logits: Logits, head: Head, file: Path) -> None:
    outputs = head.config.get("num_labels")
    if len(logits) == 1 and logits[0].shape[1] != outputs:
        raise CheckpointError(
            f"the model {str(file)!r} has {logits[0].shape[1]} outputs, and the task needs "
            f"{outputs}"
        )


def _tokenizer(packed: PackedModel, file: Path) -> FastTokenizer:
    if TOKENIZER not in packed.attachments:
        raise CheckpointError(
            f"{file} has no {TOKENIZER}; save a fast tokenizer into the model's folder and pack it "
            "again"
        )
    return FastTokenizer.read(packed.attachments, packed.config.get("model_type"))


def _density(plan: Sequence[MatrixPlan]) -> float:
    in_layers = [one for one in plan if Role.of(one.name, (one.rows, one.columns)) is Role.LAYER]
    total = sum(one.rows * one.columns for one in in_layers)
    return sum(one.kept for one in in_layers) / total if total else 1.0


def _logits(engine: Engine, one: EvaluationSet, names: tuple[str, ...]) -> Logits:
    """Outputs over all rows of a set, in their order; behind shorter ones of tokens stands 0."""
    rows = one.features.with_format(None)
    ids = rows["input_ids"][:]
    types = rows["token_type_ids"][:] if "token_type_ids" in rows.column_names else None
    masks = rows["attention_mask"][:] if "attention_mask" in rows.column_names else None
    found: dict[str, NDArray[Any]] = {}
    for places in _batches([len(row) for row in ids]):
        said = engine.run(
            _padded([ids[place] for place in places]),
            _padded([masks[i] if masks else [1] * len(ids[i]) for i in places]),
            _padded([types[place] for place in places]) if types else None,
        )
        for name in names:
            values = said[name]
            if name not in found:
                width = values.shape[1] if name == "logits" else max(map(len, ids))
                found[name] = np.zeros((len(ids), width), np.float32)
            found[name][places, : values.shape[1]] = values
    return tuple(found[name] for name in names)


def _batches(lengths: list[int]) -> Iterator[list[int]]:
    """Places of rows, the longest first, in batches of like length."""
    order = sorted(range(len(lengths)), key=lambda place: -lengths[place])
    while order:
        size = max(1, _MOST_TOKENS // max(1, lengths[order[0]]))
        yield order[:size]
        order = order[size:]


def _padded(rows: list[list[int]]) -> NDArray[np.int64]:
    """Rows behind which zeros stand, as one array."""
    longest = max(map(len, rows))
    return np.array([[*row, *[0] * (longest - len(row))] for row in rows], np.int64)
