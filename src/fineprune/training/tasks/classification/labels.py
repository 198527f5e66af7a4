"""Raw labels to names, and the order of names."""

import re
from collections.abc import Iterable, Mapping

from fineprune.errors import CheckpointError
from fineprune.training.tasks.classification.wording import listed, quoted

_WHOLE_NUMBER = re.compile(r"-?[0-9]+")
_PLACEHOLDER = re.compile(r"LABEL_[0-9]+")


class UnusableValueError(ValueError):
    """A value that a text or a label cannot be made of; its row is broken."""


def label_name(value: object) -> str:
    """The name of a class: text as it is, a whole number or truth value as JSON writes it.

    Raises:
        UnusableValueError: the value is missing, or of another type.
    """
    if value is None or value == "":
        raise UnusableValueError("the label is missing")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    raise UnusableValueError(
        f"the label {quoted(value)} is of type {type(value).__name__}, "
        "and text or a whole number is expected"
    )


def ordered(names: Iterable[str]) -> tuple[str, ...]:
    """Each name once: by value where all are whole numbers, else by code points.

    >>> ordered(["10", "9", "10"])
    ('9', '10')
    >>> ordered(["b", "10", "9"])
    ('10', '9', 'b')
    """
    distinct = sorted(set(names))
    if all(_WHOLE_NUMBER.fullmatch(name) for name in distinct):
        distinct.sort(key=int)
    return tuple(distinct)


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
    placeholders = all(_PLACEHOLDER.fullmatch(name) for name in found)
    if found == expected or (placeholders and len(found) == len(expected)):
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
