"""The loss of a task whose classes do not weigh the same."""

from collections.abc import Callable
from typing import Any, Protocol, final

import torch
from datasets import Dataset
from torch import Tensor
from torch.nn import functional

from fineprune.tasks.base import ClassWeights, Task

_IGNORED = -100
"""The label of tokens that have none, by the convention of PyTorch and transformers."""


class LossFunction(Protocol):
    """What `transformers.Trainer` takes as `compute_loss_func`."""

    def __call__(
        self, outputs: Any, labels: Tensor, num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """The loss of a batch, divided by the number of labels in all accumulated ones."""


def weighted_loss(
    task: Task, wanted: ClassWeights | None, features: Dataset
) -> LossFunction | None:
    """The loss with these weights; None, for the model's own, where none are wanted.

    Args:
        task: of the model.
        wanted: as the recipe has it.
        features: of the training set.

    Raises:
        RecipeError: the task has no classes, or one is named that is none.
    """
    if wanted is None:
        return None
    weights = torch.from_numpy(task.class_weights(wanted, features))
    several = task.head.config.get("problem_type") == "multi_label_classification"
    return _Weighted(_of_presence if several else _of_classes, weights)


@final
class _Weighted:
    """A sum over labels, each with its weight, divided by the number of labels.

    Not by the sum of their weights, so that a batch counts for the same whichever classes are in
    it, and accumulated batches add up to one large one.

    Args:
        total: the sum for logits, labels and weights.
        weights: of the outputs.
    """

    def __init__(self, total: Callable[[Tensor, Tensor, Tensor], Tensor], weights: Tensor) -> None:
        self._total = total
        self._weights = weights

    def __call__(
        self, outputs: Any, labels: Tensor, num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        logits = outputs["logits"].float()
        total = self._total(logits, labels, self._weights.to(logits.device))
        return total / _items(labels, num_items_in_batch)


def _of_classes(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy of texts or tokens, each times the weight of its class."""
    return functional.cross_entropy(
        logits.reshape(-1, logits.shape[-1]),
        labels.reshape(-1),
        weights,
        ignore_index=_IGNORED,
        reduction="sum",
    )


def _of_presence(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Binary cross-entropy of each label for itself, that of present ones times their weight."""
    return functional.binary_cross_entropy_with_logits(
        logits, labels.to(logits.dtype), pos_weight=weights, reduction="sum"
    )


def _items(labels: Tensor, in_all: Tensor | int | None) -> Tensor | int:
    if in_all is None:
        return labels.ne(_IGNORED).sum()
    return in_all.to(labels.device) if isinstance(in_all, Tensor) else in_all
