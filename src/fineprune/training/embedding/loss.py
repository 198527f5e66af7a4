"""The loss of embeddings: that of the task, by its name, and the distance from the teacher."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import losses
from torch import Tensor, nn

from fineprune.core.distillation import embedding_distance, margin_difference
from fineprune.errors import TrainingError
from fineprune.training.distillation import Distillation

EMBEDDING = "sentence_embedding"


class EmbeddingLoss(nn.Module):
    """What sentence-transformers' trainer takes as a loss.

    Args:
        model: that is trained.
        name: of the loss in sentence-transformers.
        teacher: to be near to, or None.
        distillation: how near.
    """

    def __init__(
        self,
        model: SentenceTransformer,
        name: str,
        teacher: SentenceTransformer | None = None,
        distillation: Distillation | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        # Held where `modules()` does not look: its model is this one's, and the teacher stays.
        self._held = {"loss": getattr(losses, name)(model), "teacher": teacher}
        self._distillation = distillation or Distillation()
        if teacher is not None:
            teacher.requires_grad_(False).eval()

    def forward(self, features: Iterable[Mapping[str, Tensor]], labels: Tensor | None) -> Any:
        """The loss of a batch: of the task, and of the distillation, weighted.

        Args:
            features: model inputs of anchors, positives and so on.
            labels: scores of the pairs, where there are any.
        """
        columns = [dict(one) for one in features]
        embeddings = [self.model(dict(one))[EMBEDDING] for one in columns]
        task = self._held["loss"].compute_loss_from_embeddings(embeddings, labels)
        teacher = self._held["teacher"]
        if teacher is None:
            return task
        teacher.to(embeddings[0].device)  # where the trainer has put the model
        with torch.no_grad():
            taught = [teacher(dict(one))[EMBEDDING] for one in columns]
        weights = self._distillation
        return {
            "task": weights.alpha_ce * task,
            "distillation": weights.alpha_kd * self._divergence(embeddings, taught),
        }

    def _divergence(self, student: list[Tensor], teacher: list[Tensor]) -> Tensor:
        if self._distillation.embeddings == "margin":
            return margin_difference(
                (student[0], torch.cat(student[1:])), (teacher[0], torch.cat(teacher[1:]))
            )
        found, expected = torch.cat(student), torch.cat(teacher)
        if found.shape != expected.shape:
            raise TrainingError(
                f"the teacher's embeddings have {expected.shape[1]} numbers, and the model's "
                f"{found.shape[1]}: set distillation.embeddings to margin"
            )
        return embedding_distance(found, expected)
