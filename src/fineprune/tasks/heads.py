"""Whether a model predicts what a task asks for."""

import re
from collections.abc import Mapping
from typing import Any

from fineprune.errors import CheckpointError
from fineprune.wording import listed

_PLACEHOLDER = re.compile(r"LABEL_[0-9]+")


def are_named(labels: Mapping[int, str]) -> bool:
    """Whether somebody named a model's classes, which are `LABEL_0` and so on otherwise."""
    return not all(map(_PLACEHOLDER.fullmatch, labels.values()))


def named_classes(labels: Mapping[int, str]) -> list[str]:
    """The names of a model's classes in their order; none where nobody named them.

    Args:
        labels: `id2label` of the model's config.
    """
    return [labels[place] for place in sorted(labels)] if are_named(labels) else []


def require_same_problem(task: Mapping[str, Any], model: object, whose: str) -> None:
    """Compares what a task's head learns with what a model's config says of its own.

    Args:
        task: what the head adds to a config.
        model: `problem_type` of the model's config; it may say nothing.
        whose: the model in the message.

    Raises:
        CheckpointError: both say something, and differ.
    """
    asked = task.get("problem_type")
    if isinstance(asked, str) and isinstance(model, str) and asked != model:
        raise CheckpointError(
            f"{whose} was trained for {model.replace('_', ' ')}, and the task is "
            f"{asked.replace('_', ' ')}; use a model that was trained for it"
        )


def require_same_labels(task: Mapping[int, str], model: Mapping[int, str], whose: str) -> None:
    """Compares the classes of a task with those of a model's config (`id2label` of both).

    Names such as `LABEL_0`, which a config has when nobody named its classes, match any name.

    Args:
        task: `id2label` of the task's head.
        model: `id2label` of the model's config.
        whose: the model in the message, such as `"the teacher 'runs/dense'"`.

    Raises:
        CheckpointError: number, names or order differ.
    """
    expected, found = [[names[i] for i in sorted(names)] for names in (task, model)]
    unnamed = not (are_named(task) and are_named(model))
    if found == expected or (unnamed and len(found) == len(expected)):
        return
    difference = (
        "the same labels in another order: set task.labels to the model's order"
        if sorted(found) == sorted(expected)
        else "other labels: use a model that was trained for this task"
    )
    raise CheckpointError(
        f"{whose} predicts {len(found)} labels ({listed(found)}), the task has {len(expected)} "
        f"({listed(expected)}); these are {difference}"
    )
