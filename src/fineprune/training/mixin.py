"""Pruning and distillation for any trainer that descends from `transformers.Trainer`."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.optim.lr_scheduler import LambdaLR
from transformers import PreTrainedModel
from transformers.integrations.integration_utils import get_reporting_integration_callbacks
from transformers.trainer_pt_utils import LengthGroupedSampler
from transformers.trainer_utils import EvalLoopOutput
from typing_extensions import override

from fineprune.pruning.attach_note import frozen_in
from fineprune.pruning.callback import PruningCallback
from fineprune.pruning.finalize import finalize
from fineprune.pruning.masks import Masks, has_masks
from fineprune.pruning.parameters import SCORE_LEARNING_RATE, score_groups
from fineprune.pruning.schedule import PruningSchedule
from fineprune.pruning.stages import Stage
from fineprune.training.distillation import Distillation, logit_names
from fineprune.training.divergence import (
    require_finite_gradient,
    require_finite_loss,
    require_finite_weights,
)
from fineprune.training.heads import labels_of, require_same_labels
from fineprune.training.loss_parts import LossParts
from fineprune.training.rates import rewound
from fineprune.training.rounding import Quantization, RoundingCallback, require_roundable
from fineprune.training.sampling import RepeatableSampler
from fineprune.training.teacher import (
    NOT_INPUTS,
    ROW,
    TeacherLogits,
    Track,
    content_key,
    is_fixed,
    with_rows,
)

if TYPE_CHECKING:
    from transformers import Trainer as _Base
else:
    _Base = object


class FinePruningMixin(_Base):
    """Fine-prunes a model that a method is attached to; fine-tunes one without masks.

    To be put before a trainer: `class MyTrainer(FinePruningMixin, Trainer)`.

    Args:
        *args: passed on to the trainer.
        teacher: a model of the same head to distil from, or None. One with masks is finalized.
        distillation: how the teacher enters the loss.
        teacher_folder: where the teacher's logits over the training set are kept, to be asked for
            once; None for `_teacher-logits` in the trainer's output folder, which `push_to_hub`
            leaves out because of its name. (Of data that are streamed or transformed on the fly,
            the teacher is asked at each step.)
        schedule: when the level moves.
        penalty_schedule: when the penalty grows; None for the same.
        densities: fractions to keep on the way, as for `Pruner`. Unless the trainer was given a
            scheduler, the learning rates start anew for each.
        freeze_after: fraction of the steps after the final density from which on masks stay as
            they are, and scores are released; None for never.
        quantize: how finely weights are rounded in the recovery, as packing will round them; None
            for not at all. Evaluations in the recovery are of the rounded weights.
        score_learning_rate: of the scores, a parameter group of their own without weight decay.
        track: shows how far asking the teacher has come.
        **kwargs: passed on to the trainer.

    Raises:
        CheckpointError: the teacher's labels are not the model's.
        TrainingError: later, in `train`: a schedule too short for its warm-ups, an optimizer that
            trains scores like weights, weights that cannot be rounded, or a loss, a gradient or a
            weight that is not finite.
    """

    def __init__(
        self,
        *args: Any,
        teacher: PreTrainedModel | None = None,
        distillation: Distillation | None = None,
        teacher_folder: Path | str | None = None,
        schedule: PruningSchedule | None = None,
        penalty_schedule: PruningSchedule | None = None,
        densities: Sequence[float] = (),
        freeze_after: float | None = None,
        quantize: Quantization | None = None,
        score_learning_rate: float = SCORE_LEARNING_RATE,
        track: Track = lambda batches, length: batches,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        # Its filter would replace a loss that is not finite by an average, and go on.
        self.args.logging_nan_inf_filter = False
        self.model_accepts_loss_kwargs &= _counts_items(self.model)
        self.score_learning_rate = score_learning_rate
        self.distillation = distillation or Distillation()
        self.teacher = None if teacher is None else self._prepared(teacher)
        self._teacher_folder = teacher_folder
        self._taught: TeacherLogits | None = None
        self._track = track
        self._loss_parts = LossParts()
        self._rates: list[float] = []
        self._pruning = PruningCallback(
            schedule,
            penalty_schedule=penalty_schedule,
            densities=densities,
            freeze_after=freeze_after,
            penalty_in_loss=True,
        )
        if self.model is None or has_masks(self.model):
            self.add_callback(self._pruning)
        self._rounding = None if quantize is None else RoundingCallback(quantize, self._pruning)
        if self._rounding is not None:
            self.add_callback(self._rounding)

    @property
    def masks(self) -> Masks | None:
        """The masks of the model; None where it has none."""
        return Masks.of(self.model) if self.model is not None and has_masks(self.model) else None

    @property
    def stages(self) -> Sequence[Stage]:
        """The stages of the run, one for each density; empty without masks or before training."""
        return self._pruning.pruner.stages if self._pruning.pruner is not None else ()

    @property
    def penalty_weight(self) -> float:
        """Lambda of the coming step; 0 without masks or before training."""
        return self._pruning.pruner.penalty_weight if self._pruning.pruner is not None else 0.0

    @override
    def train(self, *args: Any, **kwargs: Any) -> Any:
        """As in `Trainer`; asks the teacher first, where what it says is not known yet."""
        if self._rounding is not None:
            require_roundable(cast(nn.Module, self.model), fsdp=self.is_fsdp_enabled)
        # Hidden states are too many to be kept.
        kept = not self.distillation.alpha_hidden and is_fixed(self.train_dataset)
        if self.teacher is not None and self._taught is None and kept:
            self._taught = self._ask(self.teacher)
            self.train_dataset = with_rows(cast(Any, self.train_dataset))
        return super().train(*args, **kwargs)

    @override
    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Moves the scores into a parameter group of their own: their rate, no weight decay."""
        created = self.optimizer is None
        optimizer = super().create_optimizer(model)
        groups = score_groups(cast(nn.Module, self.model), self.score_learning_rate)
        if created:
            ours = {id(score) for group in groups for score in group["params"]}
            for group in optimizer.param_groups:
                group["params"] = [p for p in group["params"] if id(p) not in ours]
            for group in groups:
                optimizer.add_param_group(group)
        return optimizer

    @override
    def create_scheduler(
        self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None
    ) -> Any:
        """As in `Trainer`; with several densities, the rates start anew for each of them."""
        if self.lr_scheduler is None and len(self._pruning.densities) > 1:
            stages = self._pruning.stages(num_training_steps)
            self.lr_scheduler = LambdaLR(
                cast(torch.optim.Optimizer, optimizer or self.optimizer),
                rewound(stages, self.args.warmup_steps),
            )
        return super().create_scheduler(num_training_steps, cast(Any, optimizer))

    @override
    def training_step(self, *args: Any, **kwargs: Any) -> Tensor:
        loss = super().training_step(*args, **kwargs)
        # Under float16 the gradient scaler looks itself, and skips a step that overflowed.
        if self.accelerator.sync_gradients and not self.args.fp16:
            require_finite_gradient(cast(nn.Module, self.model), self.state.global_step + 1)
        if self.optimizer is not None:
            self._rates = [group["lr"] for group in self.optimizer.param_groups]
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
        rows = inputs.pop(ROW, None)
        taught = None
        if model.training and self.teacher is not None:
            if self.distillation.alpha_hidden:
                inputs["output_hidden_states"] = True
            taught = self._teach(inputs, rows)
        mask = inputs.get("attention_mask")
        pruner = self._pruning.pruner
        # Looking for the masks takes a millisecond, and in training they are known.
        masks = pruner.masks if model.training and pruner is not None else self.masks
        with _shared_weights(masks):
            loss, outputs = super().compute_loss(
                model, inputs, return_outputs=True, num_items_in_batch=num_items_in_batch
            )
        if model.training:
            share = self._share_of_a_mean(num_items_in_batch)
            loss = self._training_loss(loss, outputs, taught, mask, share)
        return (loss, outputs) if return_outputs else loss

    def _training_loss(
        self,
        task_loss: Tensor,
        outputs: Any,
        taught: Mapping[str, Any] | None,
        attention_mask: Tensor | None,
        share: float,
    ) -> Tensor:
        parts = {"task_loss": task_loss / share}
        loss = task_loss
        if taught is not None:
            problem = getattr(getattr(self.model, "config", None), "problem_type", None)
            parts["distillation_loss"] = self.distillation.divergence(
                outputs, taught, attention_mask, multi_label=problem == "multi_label_classification"
            )
            loss = self.distillation.alpha_ce * loss
            loss = loss + share * self.distillation.alpha_kd * parts["distillation_loss"]
            if alpha := self.distillation.alpha_hidden:
                parts["hidden_loss"] = self.distillation.hidden_difference(
                    outputs, taught, attention_mask
                )
                loss = loss + share * alpha * parts["hidden_loss"]
        pruner = self._pruning.pruner
        # The penalty is the same for all batches of a step: it is added to the last one, for all.
        if pruner is not None and pruner.penalty_weight and self.accelerator.sync_gradients:
            penalty = pruner.penalty()
            parts["penalty"] = penalty / pruner.penalty_weight
            loss = loss + share * self.current_gradient_accumulation_steps * penalty
        require_finite_loss(loss, parts, self.state.global_step + 1)
        self._loss_parts.add(parts)
        return loss

    def _share_of_a_mean(self, num_items_in_batch: Tensor | int | None) -> float:
        """What the mean over one of several accumulated batches counts for, by the loop's rules.

        The loop divides a loss by the number of batches, unless model or user have divided it by
        the number of items in all of them. What is added to such a loss has to be divided here.
        """
        scaled = getattr(self, "loss_is_scaled_for_ga", None)
        if scaled is None:
            by_model = self.model_accepts_loss_kwargs and num_items_in_batch is not None
            scaled = by_model or self.compute_loss_func is not None
        return 1 / self.current_gradient_accumulation_steps if scaled else 1.0

    # The teacher.

    def _prepared(self, teacher: PreTrainedModel) -> PreTrainedModel:
        if isinstance(self.model, PreTrainedModel):
            require_same_labels(
                labels_of(self.model.config), labels_of(teacher.config), "the teacher"
            )
        if has_masks(teacher):
            teacher = finalize(teacher)
        teacher.requires_grad_(False)
        teacher.eval()  # type: ignore[no-untyped-call]
        return cast(PreTrainedModel, cast(nn.Module, teacher).to(self.args.device))

    def _ask(self, teacher: PreTrainedModel) -> TeacherLogits:
        """The teacher's logits over the training set: from their file, else asked for and kept."""
        dataset: Any = self.train_dataset
        folder = Path(self._teacher_folder or Path(str(self.args.output_dir)) / "_teacher-logits")
        key = content_key(teacher, dataset)
        path = folder / f"{key}.safetensors"
        with self.args.main_process_first(local=False, desc="the teacher's logits"):
            known = TeacherLogits.load(path, key)
            if known is None:
                known = TeacherLogits.ask(
                    teacher,
                    self._without_unused_columns(dataset),
                    self.data_collator,
                    device=self.args.device,
                    batch_size=self.args.eval_batch_size,
                    track=self._track,
                )
                if self.is_world_process_zero():
                    known.save(path, key)
        return known

    def _without_unused_columns(self, dataset: Any) -> Any:
        if not self.args.remove_unused_columns:
            return dataset
        return self._remove_unused_columns(dataset, description="training")

    @torch.no_grad()
    def _teach(self, inputs: Mapping[str, Any], rows: Tensor | None) -> Mapping[str, Any]:
        if self._taught is not None and rows is not None:
            return self._taught.of(rows, inputs.get("attention_mask"))
        plain = {name: one for name, one in inputs.items() if name not in NOT_INPUTS}
        # What is asked for ahead is in float32, and what is asked for at each step in the
        # precision of the training, where time counts.
        with self.accelerator.autocast() if self.distillation.alpha_hidden else nullcontext():
            outputs = cast(Mapping[str, Any], cast(nn.Module, self.teacher)(**plain))
        logit_names(outputs)  # which refuses a head without
        return outputs

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()
        columns = cast(list[str], self._signature_columns)
        if ROW not in columns:
            columns.append(ROW)

    # Order, checkpoints and the log.

    def _get_train_sampler(self, *args: Any, **kwargs: Any) -> Any:
        sampler = super()._get_train_sampler(*args, **kwargs)
        if not isinstance(sampler, LengthGroupedSampler):
            return sampler
        seed = self.args.seed if self.args.data_seed is None else self.args.data_seed
        return RepeatableSampler(sampler, seed)

    def _load_from_checkpoint(
        self, resume_from_checkpoint: str, model: nn.Module | None = None
    ) -> None:
        masks = self.masks
        if masks is not None and frozen_in(Path(resume_from_checkpoint)):
            masks.freeze()
        super()._load_from_checkpoint(resume_from_checkpoint, model)

    @override
    def evaluation_loop(self, *args: Any, **kwargs: Any) -> EvalLoopOutput:
        # Its data loader draws a random number; training is to be the same with and without it.
        model = cast(nn.Module, self.model)
        rounding = nullcontext() if self._rounding is None else self._rounding.rounding(model)
        with rounding, _shared_weights(self.masks), torch.random.fork_rng(devices=[]):
            output = super().evaluation_loop(*args, **kwargs)
        prefix = kwargs.get("metric_key_prefix", "eval")
        levels = {f"{prefix}_{name}": value for name, value in self._level_metrics().items()}
        return output._replace(metrics={**(output.metrics or {}), **levels})

    def _level_metrics(self) -> dict[str, float]:
        masks = self.masks
        if masks is None:
            return {}
        return {"density": masks.density(), "level": masks.level.value}

    @override
    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """As in `Trainer`, checkpoints included; weights that are not finite are never written.

        Raises:
            TrainingError: there are such weights.
        """
        require_finite_weights(cast(nn.Module, self.model), self.state.global_step)
        super().save_model(output_dir, _internal_call)

    @override
    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Adds level, density, the parts of the loss and both learning rates to what is logged."""
        if "loss" not in logs:
            super().log(logs, *args, **kwargs)
            return
        logs = {**logs, **self._loss_parts.take(), **self._level_metrics()}
        masks = self.masks
        if masks is not None and masks.scores():
            logs |= {"score_learning_rate": self._rates[-1], "penalty_weight": self.penalty_weight}
        # Only where it binds: then the level no longer decides what those matrices keep.
        if masks is not None and (floor := masks.at_floor()):
            logs["matrices_at_floor"] = len(floor)
        super().log(logs, *args, **kwargs)
        if masks is not None:
            self._log_densities(masks)

    def _log_densities(self, masks: Masks) -> None:
        # To the trackers only: on a terminal and in the run's history, a line for every matrix at
        # every step would bury all else.
        densities = {f"density/{one.name}": one.mask.count / one.weight.numel() for one in masks}
        trackers = tuple(get_reporting_integration_callbacks(self.args.report_to))  # type: ignore[no-untyped-call]
        for callback in self.callback_handler.callbacks:
            if isinstance(callback, trackers):
                callback.on_log(
                    self.args, self.state, self.control, logs=densities, model=self.model
                )


def _counts_items(model: object) -> bool:
    """Whether a model divides its loss by the number of items in all accumulated batches.

    The loop takes every forward that has `**kwargs` for one that does, and then no longer divides
    by the number of batches. But the heads of BERT and of others take `**kwargs` and give the mean
    over one batch all the same: with accumulation 4, everything would weigh four times as much.
    """
    if hasattr(model, "accepts_loss_kwargs"):
        return bool(model.accepts_loss_kwargs)
    forward = getattr(model, "forward", None)
    return forward is not None and "num_items_in_batch" in inspect.signature(forward).parameters


@contextmanager
def _shared_weights(masks: Masks | None) -> Iterator[None]:
    """Masks a weight once where several layers share it."""
    with parametrize.cached() if masks is not None and masks.share_weights else nullcontext():
        yield
