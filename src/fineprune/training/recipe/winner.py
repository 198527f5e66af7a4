"""What a pruned recipe with a teacher leaves open: as it won (docs/results/levers.md)."""

from collections.abc import Mapping
from typing import Any

_DISTILLATION = {"temperature": 2, "alpha_ce": 0, "alpha_kd": 1, "alpha_hidden": 4}
_TRAINING = {
    "epochs": 8,
    "batch_size": 64,
    "group_by_length": True,
    "freeze_embeddings": True,
    "dropout": 0,
}
_AUGMENTATION = {"versions": 7}

_KINDS = ("text-classification", "question-answering")
_AUGMENTED = "text-classification"


def leaves_learning_open(values: Mapping[str, Any]) -> bool:
    """Whether a recipe leaves to us how its student learns from its teacher.

    That is so where it names pruning and a teacher and has no section `distillation`; one that
    has, even an empty one, is taken as it stands.

    Args:
        values: a recipe's sections, not validated.
    """
    pruned = values.get("pruning") and values.get("teacher")
    return bool(pruned) and "distillation" not in values and _kind(values) in _KINDS


def with_what_won(values: Mapping[str, Any]) -> dict[str, Any]:
    """Fills the open keys of a recipe that leaves its learning open; others stay as they are.

    Args:
        values: a recipe's sections, not validated.
    """
    training = values.get("training") or {}
    if not leaves_learning_open(values) or not isinstance(training, Mapping):
        return dict(values)
    defaults = dict(_TRAINING)
    if "max_steps" in training:
        del defaults["epochs"]
    filled = {**values, "distillation": _DISTILLATION, "training": {**defaults, **training}}
    if _kind(values) == _AUGMENTED:
        filled.setdefault("augmentation", _AUGMENTATION)
    return filled


def _kind(values: Mapping[str, Any]) -> Any:
    task = values.get("task")
    return task.get("kind") if isinstance(task, Mapping) else None
