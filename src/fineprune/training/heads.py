"""Whether a model has the head that a task needs, and predicts what its teacher does."""

import re
from collections.abc import Mapping

import transformers
from transformers import PreTrainedConfig, PreTrainedModel

from fineprune.errors import CheckpointError
from fineprune.tasks.base import Head
from fineprune.wording import listed

_PLACEHOLDER = re.compile(r"LABEL_[0-9]+")


def require_head(model: PreTrainedModel, head: Head, whose: str) -> None:
    """Checks the kind of a model's head, and what it predicts.

    Args:
        model: with its head, trained.
        head: what the task needs.
        whose: the model in the message, such as `"the teacher 'runs/dense'"`.

    Raises:
        CheckpointError: the head is of another kind, or predicts other labels.
    """
    kinds = getattr(transformers, head.auto_model)._model_mapping.get(type(model.config), ())
    if not isinstance(model, kinds):
        raise CheckpointError(
            f"{whose} is a {type(model).__name__}, and the task needs one that {head.auto_model} "
            f"loads"
        )
    names = head.config.get("id2label")
    if names is not None:
        require_same_labels(names, labels_of(model.config), whose)
    outputs = head.config.get("num_labels", model.config.num_labels)
    if model.config.num_labels != outputs:
        raise CheckpointError(
            f"{whose} has {model.config.num_labels} outputs, and the task needs {outputs}"
        )


def labels_of(config: PreTrainedConfig) -> dict[int, str]:
    """The names of a model's labels, by their place in its output."""
    return {int(place): str(name) for place, name in (config.id2label or {}).items()}


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
    unnamed = any(all(map(_PLACEHOLDER.fullmatch, names)) for names in (expected, found))
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
