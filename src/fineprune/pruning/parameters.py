"""Parameter groups of a masked model: weights, weights without decay, and scores."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from fineprune.errors import TrainingError
from fineprune.pruning.masks import Masks, has_masks

SCORE_LEARNING_RATE = 1e-2
"""Of the paper's runs (L0 took ten times that)."""


def parameter_groups(
    model: nn.Module,
    *,
    learning_rate: float,
    score_learning_rate: float = SCORE_LEARNING_RATE,
    weight_decay: float = 0.0,
) -> list[dict[str, Any]]:
    """Groups for any optimizer of `torch.optim`.

    Args:
        model: after `attach`, or without masks.
        learning_rate: of the weights.
        score_learning_rate: of the scores, which have no weight decay: it would pull each score
            towards 0, which is no score's natural place.
        weight_decay: of the weights; biases and norms (parameters of one dimension) have none.

    Returns:
        Two groups of weights, and a third one where the method learns scores.
    """
    scores = scores_of(model)
    ours = {id(score) for score in scores}
    weights = [p for p in model.parameters() if p.requires_grad and id(p) not in ours]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in weights if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in weights if p.ndim <= 1], "weight_decay": 0.0},
    ]
    for group in groups:
        group["lr"] = learning_rate
    return groups + score_groups(model, score_learning_rate)


def score_groups(model: nn.Module, learning_rate: float) -> list[dict[str, Any]]:
    """The group of the scores alone; no group where the method learns none.

    Once masks are frozen the group is still there, and empty, so that the state of an optimizer
    fits that was saved before or after.
    """
    if not (has_masks(model) and Masks.of(model).method.learns_scores):
        return []
    return [{"params": scores_of(model), "lr": learning_rate, "weight_decay": 0.0}]


def scores_of(model: nn.Module) -> list[nn.Parameter]:
    """The scores of a model; empty without masks, or where the method learns none."""
    return list(Masks.of(model).scores()) if has_masks(model) else []


def require_own_group(scores: Sequence[nn.Parameter], optimizer: torch.optim.Optimizer) -> None:
    """Checks that an optimizer trains scores apart from weights.

    Raises:
        TrainingError: it does not train them, trains them together with weights, or lets them
            decay.
    """
    if not scores:
        return
    ours = {id(score) for score in scores}
    trained = 0
    for group in optimizer.param_groups:
        inside = sum(id(parameter) in ours for parameter in group["params"])
        trained += inside
        if inside and inside < len(group["params"]):
            raise TrainingError(
                "the optimizer trains scores and weights in one group, at one learning rate; "
                f"{_ADVICE}"
            )
        if inside and group.get("weight_decay"):
            raise TrainingError(
                f"the optimizer lets scores decay by {group['weight_decay']:g}; {_ADVICE}"
            )
    if trained < len(ours):
        raise TrainingError(
            f"the optimizer was made before the masks were attached, and trains {trained} of "
            f"{len(ours)} matrices of scores; {_ADVICE}"
        )


_ADVICE = (
    "make it of groups that keep them apart, such as "
    "torch.optim.AdamW(fineprune.parameter_groups(model, learning_rate=...))"
)
