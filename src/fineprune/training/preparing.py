"""What recipes of all tasks do to a model before it trains, and tell its trainer of pruning."""

from typing import Any

from torch import nn

from fineprune.pruning.attach import attach
from fineprune.training.models import freeze_embeddings, set_dropout
from fineprune.training.recipe import Recipe


def prepare_model(model: nn.Module, recipe: Recipe) -> None:
    """Freezes embeddings, sets dropout and attaches the method, as far as a recipe says so."""
    settings, pruning = recipe.training, recipe.pruning
    if settings.freeze_embeddings:
        freeze_embeddings(model)
    if settings.dropout is not None:
        set_dropout(model, settings.dropout)
    if pruning:
        attach(model, pruning.method, include=pruning.include, exclude=pruning.exclude)


def pruning_arguments(recipe: Recipe) -> dict[str, Any]:
    """What `FinePruningMixin` is told of a recipe's pruning; nothing without such."""
    pruning = recipe.pruning
    if pruning is None:
        return {}
    return {
        "schedule": pruning.schedule,
        "penalty_schedule": pruning.penalty_schedule,
        "densities": pruning.densities,
        "freeze_after": pruning.freeze_after,
        "score_learning_rate": recipe.training.score_learning_rate,
    }
