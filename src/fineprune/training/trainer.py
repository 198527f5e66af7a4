"""The training loop of `transformers`, with masks, penalty and distillation added to it."""

from collections.abc import Sequence
from typing import Any, cast, final

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from transformers import PreTrainedModel, Trainer, TrainingArguments
from transformers.integrations.integration_utils import get_reporting_integration_callbacks
from transformers.trainer_utils import EvalLoopOutput
from typing_extensions import override

from fineprune.pruning.masks import Masks, has_masks
from fineprune.tasks.base import EvaluationSet, Logits, Metrics
from fineprune.training.checkpoints import CompletionCallback
from fineprune.training.distillation import Distillation
from fineprune.training.divergence import (
    require_finite_gradient,
    require_finite_loss,
    require_finite_weights,
)
from fineprune.training.label_sets import labels_of, require_same_labels
from fineprune.training.level_callback import LevelCallback
from fineprune.training.schedule import PruningSchedule


def metric_name(evaluation_set: EvaluationSet, metric: str) -> str:
    """What a metric of one set is called among those of all; sets without a name add none."""
    return f"{evaluation_set.name}_{metric}" if evaluation_set.name else metric


@final
class FinePruningTrainer(Trainer):
    """Fine-prunes a model that a method is attached to; fine-tunes one without masks.

    Args:
        model: the model, after `attach` if it is to be pruned.
        args: as for `transformers.Trainer`; the learning rate is that of the weights.
        teacher: a model of the same head to distil from, or None.
        distillation: how the teacher enters the loss.
        schedule: when the level moves.
        penalty_schedule: when the penalty grows; None for the same.
        score_learning_rate: learning rate of the scores. They are a parameter group of their
            own, without weight decay.
        evaluation_sets: a task's own sets to evaluate on, in place of `eval_dataset` and
            `compute_metrics`.
        **kwargs: passed on to `transformers.Trainer`.

    Raises:
        CheckpointError: the teacher's labels are not the model's.
        TrainingError: later, in `train`: a schedule too short for its warm-ups, or a loss, a
            gradient or a weight that is not finite.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        args: TrainingArguments,
        *,
        teacher: PreTrainedModel | None = None,
        distillation: Distillation | None = None,
        schedule: PruningSchedule | None = None,
        penalty_schedule: PruningSchedule | None = None,
        score_learning_rate: float = 1e-2,
        evaluation_sets: Sequence[EvaluationSet] = (),
        **kwargs: Any,
    ) -> None:
        if teacher is not None:
            require_same_labels(labels_of(model.config), labels_of(teacher.config), "the teacher")
        if evaluation_sets:
            kwargs["eval_dataset"] = {one.name: one.features for one in evaluation_sets}
        # Its filter would replace a loss that is not finite by an average, and go on.
        args.logging_nan_inf_filter = False
        super().__init__(model=model, args=args, **kwargs)
        # Losses are means over a batch, which the loop then averages over accumulated batches.
        # Were the model to divide its own by the number of labels, penalty and teacher would weigh
        # more with every step of accumulation.
        self.model_accepts_loss_kwargs = False
        self.evaluation_sets = tuple(evaluation_sets)
        self.masks = Masks.of(model) if has_masks(model) else None
        self.score_learning_rate = score_learning_rate
        self.distillation = distillation or Distillation()
        self.teacher = self._prepared(teacher) if teacher is not None else None
        self._loss_parts: dict[str, Tensor] = {}
        self._score_rate = score_learning_rate
        self._level_callback = self._add_callbacks(schedule or PruningSchedule(), penalty_schedule)

    def _add_callbacks(
        self, schedule: PruningSchedule, penalty_schedule: PruningSchedule | None
    ) -> LevelCallback | None:
        self.add_callback(CompletionCallback())
        if self.masks is None:
            return None
        callback = LevelCallback(self.masks, schedule, penalty_schedule or schedule)
        self.add_callback(callback)
        return callback

    def _prepared(self, teacher: PreTrainedModel) -> nn.Module:
        teacher.requires_grad_(False)
        teacher.eval()  # type: ignore[no-untyped-call]
        prepared = self.accelerator.prepare_model(teacher, evaluation_mode=True)
        return cast(nn.Module, prepared)

    @override
    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Moves the scores into a parameter group of their own: their rate, no weight decay."""
        created = self.optimizer is None
        optimizer = super().create_optimizer(model)
        scores = self.masks.scores() if self.masks is not None else []
        if created and scores:
            ours = {id(score) for score in scores}
            for group in optimizer.param_groups:
                group["params"] = [p for p in group["params"] if id(p) not in ours]
            rate = self.score_learning_rate
            optimizer.add_param_group({"params": scores, "lr": rate, "weight_decay": 0.0})
        return optimizer

    @override
    def training_step(self, *args: Any, **kwargs: Any) -> Tensor:
        loss = super().training_step(*args, **kwargs)
        # Under float16 the gradient scaler looks itself, and skips a step that overflowed.
        if self.accelerator.sync_gradients and not self.args.fp16:
            require_finite_gradient(cast(nn.Module, self.model), self.state.global_step + 1)
        if self.optimizer is not None:
            self._score_rate = self.optimizer.param_groups[-1]["lr"]
        return loss

    @override
    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """The task's loss, the divergence from the teacher, and the penalty, weighted."""
        # Layers that share a weight (ALBERT) mask it once.
        with parametrize.cached():
            loss, outputs = super().compute_loss(
                model, inputs, return_outputs=True, num_items_in_batch=num_items_in_batch
            )
        if model.training:
            loss = self._training_loss(loss, outputs, inputs)
        return (loss, outputs) if return_outputs else loss

    def _training_loss(self, task_loss: Tensor, outputs: Any, inputs: dict[str, Any]) -> Tensor:
        parts = {"task_loss": task_loss}
        loss = task_loss
        if self.teacher is not None:
            with torch.no_grad():
                taught = self.teacher(**inputs)
            parts["distillation_loss"] = self.distillation.divergence(outputs, taught)
            loss = self.distillation.alpha_ce * loss
            loss = loss + self.distillation.alpha_kd * parts["distillation_loss"]
        penalty = self.masks.penalty() if self.masks is not None else None
        if penalty is not None:
            parts["penalty"] = penalty
            loss = loss + self.penalty_weight * penalty
        require_finite_loss(loss, parts, self.state.global_step + 1)
        self._loss_parts = {name: part.detach() for name, part in parts.items()}
        return loss

    @property
    def penalty_weight(self) -> float:
        """Lambda of the coming step; 0 without masks or before training."""
        return self._level_callback.penalty_weight if self._level_callback is not None else 0.0

    def logits(self, evaluation_set: EvaluationSet) -> Logits:
        """The model's head outputs over a whole set, in its order."""
        predictions = self.predict(evaluation_set.features).predictions
        return predictions if isinstance(predictions, tuple) else (predictions,)

    def score(self, logits: Sequence[Logits]) -> Metrics:
        """The task's metrics; names of sets, where there are several, are put before theirs.

        Args:
            logits: of each evaluation set.
        """
        metrics: Metrics = {}
        for one, its_logits in zip(self.evaluation_sets, logits, strict=True):
            scores = one.score(its_logits)
            metrics |= {metric_name(one, name): value for name, value in scores.items()}
        return metrics

    def predictions(self, logits: Sequence[Logits]) -> Any:
        """What the task reads from the logits of each evaluation set; JSON-serialisable."""
        answers = {
            one.name: one.predictions(its_logits)
            for one, its_logits in zip(self.evaluation_sets, logits, strict=True)
        }
        return answers[""] if answers.keys() == {""} else answers

    @override
    def evaluate(
        self,
        eval_dataset: Any = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
    ) -> dict[str, float]:
        """As in `Trainer`; over the task's own sets if there are any. Says density and level."""
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

    @override
    def evaluation_loop(self, *args: Any, **kwargs: Any) -> EvalLoopOutput:
        # Its data loader draws a random number; training is to be the same with and without it.
        with parametrize.cached(), torch.random.fork_rng(devices=[]):
            output = super().evaluation_loop(*args, **kwargs)
        prefix = kwargs.get("metric_key_prefix", "eval")
        levels = {f"{prefix}_{name}": value for name, value in self._level_metrics().items()}
        return output._replace(metrics={**(output.metrics or {}), **levels})

    def _level_metrics(self) -> Metrics:
        if self.masks is None:
            return {}
        return {"density": self.masks.density(), "level": self.masks.level.value}

    @override
    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """As in `Trainer`, checkpoints included; weights that are not finite are never written.

        Raises:
            TrainingError: there are such weights.
        """
        require_finite_weights(cast(nn.Module, self.model), self.state.global_step)
        super().save_model(output_dir, _internal_call)

    @override
    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Adds level, density, penalty and both learning rates to what the loop logs."""
        if "loss" not in logs:
            super().log(logs, start_time)
            return
        parts = {name: float(part) for name, part in self._loss_parts.items()}
        logs = {**logs, **parts, **self._level_metrics()}
        if self.masks is not None and self.masks.scores():
            logs |= {
                "score_learning_rate": self._score_rate,
                "penalty_weight": self.penalty_weight,
            }
            # Only where it binds: then the penalty no longer decides what those matrices keep.
            if floor := self.masks.at_floor():
                logs["matrices_at_floor"] = len(floor)
        super().log(logs, start_time)
        if self.masks is not None:
            self._log_densities(self.masks)

    def _log_densities(self, masks: Masks) -> None:
        # To the trackers only: on a terminal and in the run's history, a line for every matrix at
        # every step would bury all else.
        densities = {
            f"density/{one.name}": kept / one.weight.numel()
            for one, kept in zip(masks, masks.kept().values(), strict=True)
        }
        trackers = tuple(get_reporting_integration_callbacks(self.args.report_to))  # type: ignore[no-untyped-call]
        for callback in self.callback_handler.callbacks:
            if isinstance(callback, trackers):
                callback.on_log(
                    self.args, self.state, self.control, logs=densities, model=self.model
                )
