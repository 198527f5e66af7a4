"""The arguments of `transformers.Trainer` that a recipe's training section stands for."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from transformers import TrainingArguments
from transformers.integrations.integration_utils import get_available_reporting_integrations

from fineprune.errors import RecipeError
from fineprune.training.recipe import TrainingSettings
from fineprune.wording import listed

_PRECISIONS: dict[str, dict[str, Any]] = {
    "auto": {},  # until it is chosen; evaluation alone has no need to choose
    "float32": {},
    "bfloat16": {"bf16": True},
    "float16": {"fp16": True},
}


def joined_processes() -> PartialState:
    """The processes that train together: one, unless a launcher such as `torchrun` started more."""
    # Without a GPU it has to be told, or it takes each of them for the only one.
    return PartialState(cpu=not torch.accelerator.is_available())


def require_possible(settings: TrainingSettings, processes: int) -> None:
    """Checks a training section against the machine.

    Raises:
        RecipeError: the batch cannot be shared evenly, or the machine lacks what the section asks
            for: a tracker, or a GPU.
    """
    _require_trackers(settings.report_to)
    _require_device(settings.precision)
    _share(settings, processes)


def training_arguments(
    settings: TrainingSettings,
    output: Path,
    processes: int,
    metric: str | None = None,
    *,
    of: type[TrainingArguments] = TrainingArguments,
    **more: Any,
) -> TrainingArguments:
    """Translates a recipe's training section.

    Args:
        settings: the section.
        output: the run's folder.
        processes: how many processes share each batch.
        metric: what evaluations are compared by, the larger the better; None where there are none.
        of: the class of arguments that the trainer takes.
        **more: further arguments, of that class.

    Raises:
        RecipeError: as `require_possible`; or a best checkpoint is asked for, and there are no
            evaluations.
        ValueError: the section leaves the learning rate open.
    """
    require_possible(settings, processes)
    if settings.learning_rate is None:
        raise ValueError("the recipe leaves its learning rate open: see Recipe.with_learning_rate")
    arguments = of(
        output_dir=str(output),
        num_train_epochs=settings.epochs,
        max_steps=settings.max_steps or -1,
        per_device_train_batch_size=_share(settings, processes),
        per_device_eval_batch_size=max(1, settings.evaluation_batch_size // processes),
        gradient_accumulation_steps=settings.accumulation,
        learning_rate=settings.learning_rate,
        warmup_steps=settings.warmup_steps,
        weight_decay=settings.weight_decay,
        adam_epsilon=settings.adam_epsilon,
        max_grad_norm=settings.max_grad_norm,
        lr_scheduler_type="linear",
        seed=settings.seed,
        logging_steps=settings.log_every,
        save_total_limit=settings.keep_checkpoints,
        report_to=list(settings.report_to) or "none",
        disable_tqdm=True,
        log_level="error",
        use_cpu=not torch.accelerator.is_available(),
        dataloader_pin_memory=torch.accelerator.is_available(),
        remove_unused_columns=False,
        # Masks are made of parameters, which are the same on all processes.
        ddp_broadcast_buffers=False,
        **_sampling(settings.group_by_length),
        **_checkpointing(settings.gradient_checkpointing),
        **_best(settings, metric),
        **_interval("eval", settings.evaluate_every),
        **_interval("save", settings.save_every),
        **_PRECISIONS[settings.precision],
        **more,
    )
    # One process trains on one GPU. With more of them in sight, the loop would copy the model to
    # each at every step, and multiply the batch by their number.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


def evaluation_arguments(settings: TrainingSettings, scratch: Path) -> TrainingArguments:
    """As `training_arguments`, for evaluation alone, in one process and without trackers.

    A model that was trained in float16 on a GPU is evaluated in float32 where there is none.
    """
    possible = settings.precision != "float16" or torch.accelerator.is_available()
    settings = replace(
        settings,
        accumulation=1,
        learning_rate=0.0,  # nothing is learned
        gradient_checkpointing=False,
        best_checkpoint=False,
        early_stopping=None,
        precision=settings.precision if possible else "float32",
        report_to=(),
    )
    return training_arguments(settings, scratch, processes=1)


def _require_trackers(names: tuple[str, ...]) -> None:
    installed = get_available_reporting_integrations()  # type: ignore[no-untyped-call]
    for name in names:
        if name not in installed:
            raise RecipeError(
                f"training.report_to: no tracker {name!r} is installed; there are "
                f"{listed(installed) or 'none'}"
            )


def _require_device(precision: str) -> None:
    if precision == "float16" and not torch.accelerator.is_available():
        raise RecipeError(
            "training.precision: float16 needs a GPU, and there is none; expected bfloat16 or "
            "float32"
        )


def _share(settings: TrainingSettings, processes: int) -> int:
    share, rest = divmod(settings.batch_size, processes * settings.accumulation)
    if rest or not share:
        raise RecipeError(
            f"training.batch_size: {settings.batch_size} cannot be shared evenly by {processes} "
            f"processes times {settings.accumulation} accumulated batches"
        )
    return share


def _sampling(by_length: bool) -> dict[str, Any]:
    if not by_length:
        return {}
    # What it is called changed within transformers 5.
    strategies = "train_sampling_strategy" in _argument_names()
    return (
        {"train_sampling_strategy": "group_by_length"} if strategies else {"group_by_length": True}
    )


def _checkpointing(wanted: bool) -> dict[str, Any]:
    if not wanted:
        return {}
    # What it is called changed within transformers 5.
    renamed = "activation_checkpointing" in _argument_names()
    name = "activation_checkpointing" if renamed else "gradient_checkpointing"
    # The other kind loses the gradient of what stands behind frozen embeddings.
    return {name: True, f"{name}_kwargs": {"use_reentrant": False}}


def _best(settings: TrainingSettings, metric: str | None) -> dict[str, Any]:
    if not settings.keeps_best:
        return {}
    if metric is None:
        key = "best_checkpoint" if settings.best_checkpoint else "early_stopping"
        raise RecipeError(
            f"training.{key} compares evaluations, and there are none: set task.validation"
        )
    return {
        "load_best_model_at_end": True,
        "metric_for_best_model": metric,
        "greater_is_better": True,
        # So that a resumed run has the patience that is left.
        "restore_callback_states_from_checkpoint": settings.early_stopping is not None,
    }


def _argument_names() -> set[str]:
    return {field.name for field in fields(TrainingArguments)}


def _interval(what: str, every: int | str) -> dict[str, Any]:
    if isinstance(every, int):
        return {f"{what}_strategy": "steps", f"{what}_steps": every}
    return {f"{what}_strategy": {"epoch": "epoch", "never": "no"}[every]}
