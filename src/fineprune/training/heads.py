"""Whether a model has the head that a task needs, and predicts what its teacher does."""

import transformers
from transformers import PreTrainedConfig, PreTrainedModel

from fineprune.errors import CheckpointError
from fineprune.tasks.base import Head
from fineprune.tasks.heads import require_same_labels as require_same_labels
from fineprune.tasks.heads import require_same_problem


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
    require_same_problem(head.config, getattr(model.config, "problem_type", None), whose)


def labels_of(config: PreTrainedConfig) -> dict[int, str]:
    """The names of a model's labels, by their place in its output."""
    return {int(place): str(name) for place, name in (config.id2label or {}).items()}
