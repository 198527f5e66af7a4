"""Evaluation of a trainer by the sets and metrics of a task."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from transformers import PreTrainedModel, PreTrainedTokenizerBase
from typing_extensions import override

from fineprune.pruning.finalize import finalize
from fineprune.tasks.base import (
    EvaluationSet,
    Logits,
    Metrics,
    predictions_of_sets,
    score_sets,
)
from fineprune.training.mixin import FinePruningMixin


class Scoring(FinePruningMixin):
    """Pruning, distillation and evaluation of a task, to be put before a trainer.

    Attributes:
        evaluation_sets: the task's sets to evaluate on.
    """

    evaluation_sets: tuple[EvaluationSet, ...] = ()

    def logits(self, evaluation_set: EvaluationSet) -> Logits:
        """The model's outputs over a whole set, in its order."""
        raise NotImplementedError

    def save_plain(self, folder: Path) -> None:
        """Writes the model without its masks, and its tokenizer; the training goes on."""
        finalize(copy.deepcopy(cast(PreTrainedModel, self.model))).save_pretrained(folder)
        cast(PreTrainedTokenizerBase, self.processing_class).save_pretrained(folder)

    def score(self, logits: Sequence[Logits]) -> Metrics:
        """The task's metrics; names of sets, where there are several, are put before theirs.

        Args:
            logits: of each evaluation set.
        """
        return score_sets(self.evaluation_sets, logits)

    def predictions(self, logits: Sequence[Logits]) -> Any:
        """What the task reads from the logits of each evaluation set; JSON-serialisable."""
        return predictions_of_sets(self.evaluation_sets, logits)

    @override
    def evaluate(
        self,
        eval_dataset: Any = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
    ) -> dict[str, float]:
        """As in `Trainer`, over the task's own sets. Says density and level."""
        if eval_dataset is not None or not self.evaluation_sets:
            return super().evaluate(eval_dataset, ignore_keys, metric_key_prefix)
        logits = [self.logits(one) for one in self.evaluation_sets]
        scores = {**self.score(logits), **self._level_metrics()}
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in scores.items()}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics
