"""The trainer of recipes: it evaluates a task by the task's own sets and metrics."""

from collections.abc import Sequence
from typing import Any, final

from torch.utils.data import SequentialSampler
from transformers import PreTrainedModel, Trainer, TrainingArguments
from typing_extensions import override

from fineprune.tasks.base import EvaluationSet, Logits
from fineprune.training.checkpoints import CompletionCallback
from fineprune.training.scoring import Scoring


@final
class TaskTrainer(Scoring, Trainer):
    """Fine-prunes a model on a task.

    Args:
        model: the model, after `attach` if it is to be pruned.
        args: as for `transformers.Trainer`.
        evaluation_sets: the task's sets to evaluate on, in place of `eval_dataset` and
            `compute_metrics`.
        **kwargs: passed on to `FinePruningMixin` and `transformers.Trainer`.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        args: TrainingArguments,
        *,
        evaluation_sets: Sequence[EvaluationSet] = (),
        **kwargs: Any,
    ) -> None:
        if evaluation_sets:
            kwargs["eval_dataset"] = {one.name: one.features for one in evaluation_sets}
        super().__init__(model=model, args=args, **kwargs)
        self.evaluation_sets = tuple(evaluation_sets)
        self.add_callback(CompletionCallback())

    @override
    def logits(self, evaluation_set: EvaluationSet) -> Logits:
        """The model's head outputs over a whole set, in its order."""
        predictions = self.predict(evaluation_set.features).predictions
        return predictions if isinstance(predictions, tuple) else (predictions,)

    def _get_eval_sampler(self, eval_dataset: Any) -> Any:
        # A task reads logits by their place in the set. The loop would group a set by length where
        # it groups batches of training, and leave its logits in that order.
        return SequentialSampler(eval_dataset) if self.args.world_size <= 1 else None
