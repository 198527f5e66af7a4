"""Recipes: one YAML file a run, read into frozen dataclasses and validated once."""

from fineprune.training.recipe.reading import parse_recipe, read_recipe, resolved, write_recipe
from fineprune.training.recipe.schema import (
    Interval,
    Precision,
    PruningSettings,
    Recipe,
    TrainingSettings,
)

__all__ = [
    "Interval",
    "Precision",
    "PruningSettings",
    "Recipe",
    "TrainingSettings",
    "parse_recipe",
    "read_recipe",
    "resolved",
    "write_recipe",
]
