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


def with_what_won(values: Mapping[str, Any]) -> dict[str, Any]:
    """Fills a recipe's open keys, if it leaves to us how its student learns from its teacher.

    That is so where it names pruning and a teacher and has no section `distillation`; one that
    has, even an empty one, is taken as it stands.

    Args:
        values: a recipe's sections, not validated.
    """
    task = values.get("task")
    kind = task.get("kind") if isinstance(task, Mapping) else None
    pruned = values.get("pruning") and values.get("teacher")
    if not pruned or "distillation" in values or kind not in _KINDS:
        return dict(values)
    training = values.get("training") or {}
    if not isinstance(training, Mapping):
        return dict(values)  # for validation to refuse
    of_run = {} if "max_steps" not in training else {"epochs"}
    defaults = {key: value for key, value in _TRAINING.items() if key not in of_run}
    filled = {**values, "distillation": _DISTILLATION, "training": {**defaults, **training}}
    if kind == _AUGMENTED:
        filled.setdefault("augmentation", _AUGMENTATION)
    return filled
