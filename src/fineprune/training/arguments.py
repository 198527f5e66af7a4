"""The arguments of `transformers.Trainer` that a recipe's training section stands for."""

from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments

from fineprune.errors import RecipeError
from fineprune.training.recipe import TrainingSettings

_PRECISIONS: dict[str, dict[str, Any]] = {
    "float32": {},
    "bfloat16": {"bf16": True},
    "float16": {"fp16": True},
}


def training_arguments(
    settings: TrainingSettings, output: Path, processes: int
) -> TrainingArguments:
    """Translates a recipe's training section.

    Args:
        settings: the section.
        output: the run's folder.
        processes: how many processes share each batch.

    Raises:
        RecipeError: the batch cannot be shared evenly.
    """
    return TrainingArguments(
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
        use_cpu=not torch.accelerator.is_available(),
        remove_unused_columns=False,
        **_interval("eval", settings.evaluate_every),
        **_interval("save", settings.save_every),
        **_PRECISIONS[settings.precision],
    )


def _share(settings: TrainingSettings, processes: int) -> int:
    share, rest = divmod(settings.batch_size, processes * settings.accumulation)
    if rest or not share:
        raise RecipeError(
            f"training.batch_size: {settings.batch_size} cannot be shared evenly by {processes} "
            f"processes times {settings.accumulation} accumulated batches"
        )
    return share


def _interval(what: str, every: int | str) -> dict[str, Any]:
    if isinstance(every, int):
        return {f"{what}_strategy": "steps", f"{what}_steps": every}
    return {f"{what}_strategy": {"epoch": "epoch", "never": "no"}[every]}
