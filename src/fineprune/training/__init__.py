"""Recipes, tasks and the trainer: everything between a recipe file and a fine-pruned model."""

from fineprune.training.distillation import Distillation
from fineprune.training.mixin import FinePruningMixin
from fineprune.training.trainer import FinePruningTrainer

__all__ = ["Distillation", "FinePruningMixin", "FinePruningTrainer"]
