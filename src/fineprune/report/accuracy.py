"""How well a packed file does on a recipe's task, in the engine: no PyTorch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fineprune.engine import Engine, MatrixPlan
from fineprune.engine.config import Config
from fineprune.engine.native import Precision
from fineprune.errors import CheckpointError
from fineprune.packing import PackedModel, read_packed
from fineprune.packing.prunable import Prunable
from fineprune.report.rows import Inputs, Rows, Run, outputs_of
from fineprune.tasks.base import (
    Evaluation,
    EvaluationSet,
    Head,
    Logits,
    Split,
    Task,
    evaluation_of,
)
from fineprune.tasks.heads import named_classes, require_same_labels, require_same_problem
from fineprune.tasks.registry import TaskSettings, load_task
from fineprune.text.fast import FastTokenizer
from fineprune.text.settings import TOKENIZER

# By the auto class of transformers that a task asks for: names of the engine's outputs.
_OUTPUTS = {
    "AutoModel": ("embeddings",),
    "AutoModelForSequenceClassification": ("logits",),
    "AutoModelForQuestionAnswering": ("start_logits", "end_logits"),
    "AutoModelForTokenClassification": ("logits",),
}
_CLASSES = {
    "AutoModel": "Model",
    "AutoModelForSequenceClassification": "ForSequenceClassification",
    "AutoModelForQuestionAnswering": "ForQuestionAnswering",
    "AutoModelForTokenClassification": "ForTokenClassification",
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
    task, sets = task_of(file, task_settings, split)
    config = read_packed(file, tensors=()).config
    engine = Engine(file, threads=threads, precision=precision)
    run = _running(engine, _OUTPUTS[task.head.auto_model])
    logits = [outputs_of(run, Rows.of(one.features)) for one in sets]
    _require_outputs(logits[0], task.head, file)
    return evaluation_of(sets, logits, density=density_of(config, engine.plan()), notes=task.notes)


def task_of(
    file: Path, task_settings: TaskSettings, split: Split
) -> tuple[Task, tuple[EvaluationSet, ...]]:
    """A recipe's task as a packed file reads it, with one split, and the sets of that.

    Raises:
        FinepruneError: the data cannot be read, or do not fit the file.
    """
    packed = read_packed(file, tensors=())  # the engine reads the others
    labels = _labels(packed)
    task = load_task(task_settings, only=split, labels=named_classes(labels))
    require_head(file, task.head, str(file))
    return task, task.evaluation_sets(tokenizer_of(file), split)


def tokenizer_of(file: Path) -> FastTokenizer:
    """The tokenizer of a packed file.

    Raises:
        CheckpointError: it has none.
    """
    packed = read_packed(file, tensors=())
    if TOKENIZER not in packed.attachments:
        raise CheckpointError(
            f"{file} has no {TOKENIZER}; save a fast tokenizer into the model's folder and pack it "
            "again"
        )
    return FastTokenizer.read(packed.attachments, packed.config.get("model_type"))


def _labels(packed: PackedModel) -> dict[int, str]:
    names = packed.config.get("id2label")
    places = names if isinstance(names, dict) else {}
    return {int(place): str(name) for place, name in places.items() if str(place).isdecimal()}


def require_head(file: Path, head: Head, called: str) -> None:
    """Checks that a packed file holds a model of a task, with its labels in their order.

    Args:
        file: packed.
        head: that the task needs.
        called: what the model is called in messages.

    Raises:
        CheckpointError: it does not.
    """
    packed = read_packed(file, tensors=())
    labels = _labels(packed)
    name = Config(packed.config).class_name()
    if not name.endswith(_CLASSES[head.auto_model]):
        raise CheckpointError(
            f"{called} holds a {name}, and the task needs one that {head.auto_model} loads"
        )
    names = head.config.get("id2label")
    if names is not None and labels:
        require_same_labels(names, labels, f"the model {called!r}")
    require_same_problem(head.config, packed.config.get("problem_type"), f"the model {called!r}")


def _require_outputs(logits: Logits, head: Head, file: Path) -> None:
    outputs = head.config.get("num_labels")
    if outputs is not None and len(logits) == 1 and logits[0].shape[-1] != outputs:
        raise CheckpointError(
            f"the model {str(file)!r} has {logits[0].shape[-1]} outputs, and the task needs "
            f"{outputs}"
        )


def density_of(config: Mapping[str, Any], plan: Sequence[MatrixPlan]) -> float:
    """Kept over prunable weights, of those that an engine has planned for; 1 if there are none."""
    rule = Prunable.of(config)
    prunable = [one for one in plan if rule.covers(one.name, (one.rows, one.columns))]
    total = sum(one.rows * one.columns for one in prunable)
    return sum(one.kept for one in prunable) / total if total else 1.0


def _running(engine: Engine, names: tuple[str, ...]) -> Run:
    def run(inputs: Inputs) -> list[NDArray[np.float32]]:
        said = engine.run(**inputs)
        return [said[name] for name in names]

    return run
