"""Recipes, tasks and the trainer: everything between a recipe file and a fine-pruned model."""
