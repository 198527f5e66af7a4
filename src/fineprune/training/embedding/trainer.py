"""The trainer of recipes for embeddings: it evaluates a task by the task's own sets and metrics."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast, final

import numpy as np
import torch
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer
from torch import nn
from transformers import TrainingArguments
from typing_extensions import override

from fineprune.errors import CheckpointError
from fineprune.packing.modules import WEIGHTS
from fineprune.pruning.attach_note import frozen_in
from fineprune.pruning.finalize import finalize
from fineprune.tasks.base import EvaluationSet, Logits
from fineprune.training.checkpoints import CompletionCallback
from fineprune.training.embedding.batches import TextCollator
from fineprune.training.embedding.loss import EMBEDDING
from fineprune.training.embedding.model import encoder_of
from fineprune.training.scoring import Scoring


@final
class EmbeddingTrainer(Scoring, SentenceTransformerTrainer):
    """Fine-prunes a model that embeds.

    Args:
        model: the model, after `attach` if it is to be pruned.
        args: as for `SentenceTransformerTrainer`.
        evaluation_sets: the task's sets to evaluate on.
        data_collator: makes the batches.
        **kwargs: passed on to `FinePruningMixin` and `SentenceTransformerTrainer`.
    """

    def __init__(
        self,
        model: SentenceTransformer,
        args: TrainingArguments,
        *,
        evaluation_sets: Sequence[EvaluationSet] = (),
        data_collator: TextCollator,
        **kwargs: Any,
    ) -> None:
        if evaluation_sets:
            kwargs["eval_dataset"] = {one.name: one.features for one in evaluation_sets}
        super().__init__(model=model, args=args, data_collator=data_collator, **kwargs)
        self.evaluation_sets = tuple(evaluation_sets)
        self.add_callback(CompletionCallback())

    @override
    def logits(self, evaluation_set: EvaluationSet) -> Logits:
        """The embeddings of all texts of a set, in its order."""
        collator = cast(TextCollator, self.data_collator)
        ids = evaluation_set.features["input_ids"][:]
        with self.autocast_smart_context_manager():
            return (embed(self.model, ids, collator, self.args.eval_batch_size),)

    @override
    def save_plain(self, folder: Path) -> None:
        finalize(copy.deepcopy(self.model)).save_pretrained(str(folder), create_model_card=False)

    @override
    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        # Theirs writes a card as well, for which it asks the hub; and the tokenizer a second time,
        # without the length that the model has.
        folder = str(output_dir or self.args.output_dir)
        self.model.save_pretrained(folder, create_model_card=False)
        torch.save(self.args, Path(folder) / "training_args.bin")

    @override
    def _load_from_checkpoint(self, checkpoint_path: str, model: nn.Module | None = None) -> None:
        # Theirs loads another model from the folder, which has no masks.
        folder = Path(checkpoint_path)
        if self.masks is not None and frozen_in(folder):
            self.masks.freeze()
        inner = encoder_of(cast(nn.Module, self.model))
        missing, _ = inner.load_state_dict(load_file(folder / WEIGHTS), strict=False)
        if missing:
            raise CheckpointError(f"{folder} lacks {len(missing)} weights, such as {missing[0]!r}")

    @override
    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """No card: `finalize` writes one."""


@torch.no_grad()
def embed(
    model: SentenceTransformer, ids: Sequence[Sequence[int]], collator: TextCollator, size: int
) -> np.ndarray:
    """Embeddings of texts, of shape `(texts, numbers)`, float32, in eval mode.

    Args:
        model: in any mode.
        ids: tokens of each text.
        collator: makes batches.
        size: texts of a batch.
    """
    was_training = model.training
    model.eval()
    order = sorted(range(len(ids)), key=lambda place: -len(ids[place]))
    parts = []
    for first in range(0, len(order), size):
        batch = collator.pad([ids[place] for place in order[first : first + size]])
        inputs = {name: value.to(model.device) for name, value in batch.items()}
        parts.append(model(inputs)[EMBEDDING].float().cpu().numpy())
    model.train(was_training)
    embeddings = np.zeros((len(ids), parts[0].shape[1]), np.float32)
    embeddings[order] = np.concatenate(parts)
    return embeddings
