"""Embeddings of a model that is there already."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import cast

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from fineprune.tasks.base import EvaluationSet
from fineprune.tasks.sentence_embedding import SentenceEmbeddingSettings
from fineprune.training.embedding.batches import TextCollator
from fineprune.training.embedding.model import load_embedder
from fineprune.training.embedding.trainer import embed
from fineprune.training.models import require_positions
from fineprune.training.recipe import Recipe


def embeddings_of(
    folder: Path,
    recipe: Recipe,
    tokenizer: PreTrainedTokenizerBase,
    sets: Sequence[EvaluationSet],
) -> list[np.ndarray]:
    """Embeddings of all texts of some sets, each of shape `(texts, numbers)`.

    Args:
        folder: a run, a checkpoint or a plain model.
        recipe: with the precision that the model was trained in.
        tokenizer: of the model.
        sets: of the recipe's task.

    Raises:
        FinepruneError: the model cannot be loaded, or takes no texts of such a length.
    """
    settings = cast(SentenceEmbeddingSettings, recipe.task)
    model = load_embedder(str(folder), settings)
    require_positions(model, settings.max_length, str(folder))
    if torch.accelerator.is_available():
        model.to(torch.accelerator.current_accelerator())
    collator = TextCollator(cast(int, tokenizer.pad_token_id))
    low = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(recipe.training.precision)
    device = model.device.type
    possible = low is not None and (low != torch.float16 or device != "cpu")
    with torch.autocast(device, dtype=low) if possible else nullcontext():
        return [
            embed(
                model,
                one.features["input_ids"][:],
                collator,
                recipe.training.evaluation_batch_size,
            )
            for one in sets
        ]
