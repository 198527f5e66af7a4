"""From a recipe for embeddings to its trainer."""

import math
from pathlib import Path
from typing import Any, cast

import torch
from sentence_transformers import SentenceTransformerTrainingArguments
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.trainer_utils import IntervalStrategy

from fineprune.errors import RecipeError
from fineprune.tasks.base import metric_name
from fineprune.tasks.sentence_embedding import SentenceEmbedding
from fineprune.tasks.sentence_embedding.settings import RANKING
from fineprune.tasks.sentence_embedding.task import IDS, ROLES
from fineprune.training.arguments import joined_processes, training_arguments
from fineprune.training.embedding.batches import TextCollator
from fineprune.training.embedding.loss import EmbeddingLoss
from fineprune.training.embedding.model import load_embedder
from fineprune.training.embedding.trainer import EmbeddingTrainer
from fineprune.training.models import (
    load_tokenizer,
    require_padding,
    require_positions,
    require_same_tokens,
)
from fineprune.training.precision import fastest_precision
from fineprune.training.preparing import prepare_model, pruning_arguments
from fineprune.training.recipe import Precision, Recipe
from fineprune.training.texts import text_tokenizer


def embedding_trainer(
    recipe: Recipe, task: SentenceEmbedding, output: Path, precision: Precision | None
) -> tuple[Recipe, EmbeddingTrainer]:
    """The trainer of a recipe, and the recipe with its precision chosen.

    Args:
        recipe: whose learning rate is written out.
        task: its task.
        output: the run's folder.
        precision: that of the run that goes on, where there is one.

    Raises:
        FinepruneError: something is wrong with recipe, data or model.
    """
    _require_possible(recipe)
    settings = recipe.training
    tokenizer = load_tokenizer(recipe.model)
    require_padding(tokenizer, recipe.model)
    texts = text_tokenizer(tokenizer)
    features = task.training_features(texts)
    steps = settings.max_steps or math.ceil(
        math.ceil(len(features) / settings.batch_size) * settings.epochs
    )
    recipe.check_schedules(steps)
    if recipe.teacher:
        require_same_tokens(recipe.teacher, tokenizer)
    model = load_embedder(recipe.model, task.settings)
    require_positions(model, task.settings.max_length, recipe.model)
    teacher = load_embedder(recipe.teacher, task.settings) if recipe.teacher else None
    collator = TextCollator(cast(int, tokenizer.pad_token_id))
    name = task.settings.loss_name
    loss = EmbeddingLoss(model, name, teacher, recipe.distillation)
    if settings.precision == "auto":
        measured = cast(PreTrainedModel, _Measured(loss))
        size = max(1, settings.batch_size // settings.accumulation)
        chosen = precision or fastest_precision(measured, features, collator, size)
        recipe = recipe.with_precision(chosen)
        settings = recipe.training
    prepare_model(model, recipe)
    sets = task.evaluation_sets(texts) if "validation" in task.splits else ()
    arguments = training_arguments(
        settings,
        output,
        joined_processes().num_processes,
        metric_name(sets[0], task.metric) if sets else None,
        of=SentenceTransformerTrainingArguments,
        # Of texts that are equal, one would be taken for the other's opposite.
        batch_sampler="no_duplicates" if name in RANKING else "batch_sampler",
    )
    if not sets:
        arguments.eval_strategy = IntervalStrategy.NO
    trainer = EmbeddingTrainer(
        model,
        arguments,
        evaluation_sets=sets,
        loss=loss,
        train_dataset=features,
        data_collator=collator,
        processing_class=tokenizer,
        **pruning_arguments(recipe),
    )
    return recipe, trainer


class _Measured(nn.Module):
    """A loss as a model whose first output it is, so that its steps can be timed."""

    def __init__(self, loss: EmbeddingLoss) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, label: Tensor | None = None, **batch: Tensor) -> tuple[Tensor]:
        columns = [
            {
                "input_ids": batch[f"{role}{IDS}"],
                "attention_mask": batch[f"{role}_attention_mask"],
            }
            for role in ROLES
            if f"{role}{IDS}" in batch
        ]
        loss: Any = self.loss(columns, label)
        return (torch.stack([*loss.values()]).sum() if isinstance(loss, dict) else loss,)


def _require_possible(recipe: Recipe) -> None:
    """Refuses by name what other tasks have and embeddings do not.

    Raises:
        RecipeError: the recipe asks for such.
    """
    settings = recipe.training
    asked = {
        "training.class_weights": settings.class_weights is not None,
        "training.group_by_length": settings.group_by_length,
        "training.gradient_checkpointing": settings.gradient_checkpointing,
        "distillation.alpha_hidden": bool(recipe.distillation and recipe.distillation.alpha_hidden),
        "augmentation": recipe.augmentation is not None,
        "quantize": recipe.quantize is not None,
    }
    for key, wanted in asked.items():
        if wanted:
            raise RecipeError(f"{key} is not for sentence embeddings; leave it out")
