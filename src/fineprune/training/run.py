"""One run: from a recipe to a trained model with its metrics beside it."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from datasets import Dataset
from torch import nn
from transformers import (
    EarlyStoppingCallback,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    set_seed,
)
from transformers.trainer_callback import PrinterCallback
from transformers.trainer_utils import IntervalStrategy

from fineprune.extras import needs
from fineprune.tasks.base import Task, metric_name
from fineprune.tasks.registry import load_task
from fineprune.tasks.sentence_embedding import SentenceEmbedding
from fineprune.text.tokenizer import Tokenizer
from fineprune.training.arguments import joined_processes, require_possible, training_arguments
from fineprune.training.augmentation import augmented
from fineprune.training.checkpoints import last_checkpoint
from fineprune.training.models import (
    load_teacher,
    load_tokenizer,
    load_with_head,
    require_padding,
    require_positions,
    require_recomputable,
    require_same_tokens,
)
from fineprune.training.precision import fastest_precision
from fineprune.training.preparing import prepare_model, pruning_arguments
from fineprune.training.progress import ProgressCallback, track_teacher
from fineprune.training.recipe import Interval, Recipe, TrainingSettings
from fineprune.training.run_folder import (
    DensityFolders,
    RunMetrics,
    claim,
    conclude,
    precision_of,
    require_usable,
)
from fineprune.training.scoring import Scoring
from fineprune.training.task_trainer import TaskTrainer
from fineprune.training.texts import Collator, padding_collator, text_tokenizer
from fineprune.training.weighted_loss import weighted_loss

Say = Callable[[str], None]


def run(
    recipe: Recipe, output: Path, *, resume: bool = False, say: Say = lambda line: None
) -> RunMetrics:
    """Trains as a recipe says; leaves model, tokenizer, metrics, predictions and recipe behind.

    Args:
        recipe: what to do.
        output: the run's folder: new or empty, unless `resume`.
        resume: go on from the last checkpoint in `output`, to the same weights as if the run had
            never stopped.
        say: takes one line at a time of what a person should know of the data.

    Raises:
        FinepruneError: something is wrong with recipe, data, model, folder or training.
    """
    processes = joined_processes()
    require_possible(recipe.training, processes.num_processes)
    recipe = recipe.with_learning_rate()
    require_usable(output, recipe, resume=resume)
    processes.wait_for_everyone()  # soon the folder is not empty any more
    set_seed(recipe.training.seed)
    task = load_task(recipe.task)
    for note in task.notes if processes.is_main_process else ():
        say(note)
    recipe, trainer = _made(recipe, task, output, resume=resume)
    trainer.remove_callback(PrinterCallback)
    if recipe.pruning and recipe.pruning.densities:
        trainer.add_callback(DensityFolders(trainer, output, recipe.pruning.densities))
    if recipe.training.early_stopping is not None:
        trainer.add_callback(EarlyStoppingCallback(recipe.training.early_stopping))
    for note in (note for one in trainer.evaluation_sets for note in one.notes):
        if processes.is_main_process:
            say(note)
    shown = [metric_name(one, task.metric) for one in trainer.evaluation_sets]
    with ProgressCallback(shown) as progress:
        trainer.add_callback(progress)
        if processes.is_main_process:
            claim(output, recipe)
        processes.wait_for_everyone()
        checkpoint = last_checkpoint(output) if resume else None
        started = time.monotonic()
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    return conclude(trainer, output, seconds=time.monotonic() - started)


def _made(recipe: Recipe, task: Task, output: Path, *, resume: bool) -> tuple[Recipe, Scoring]:
    """The trainer of a recipe, and the recipe with its precision chosen."""
    if isinstance(task, SentenceEmbedding):
        with needs("embed", "a recipe for sentence embeddings"):
            from fineprune.training.embedding.prepare import embedding_trainer

        return embedding_trainer(recipe, task, output, precision_of(output) if resume else None)
    prepared = _prepare(recipe, task)
    recipe = _with_precision(recipe, prepared, output if resume else None)
    return recipe, _trainer(recipe, prepared, output)


@dataclass(frozen=True)
class _Prepared:
    """All that a recipe names, loaded and checked."""

    settings: TrainingSettings
    task: Task
    tokenizer: PreTrainedTokenizerBase
    texts: Tokenizer
    features: Dataset
    collator: Collator
    model: PreTrainedModel
    teacher: PreTrainedModel | None


def _prepare(recipe: Recipe, task: Task) -> _Prepared:
    settings = recipe.training
    tokenizer = load_tokenizer(recipe.model)
    require_padding(tokenizer, recipe.model)
    texts = text_tokenizer(tokenizer)
    features = task.training_features(texts)
    epoch = math.ceil(len(features) / settings.batch_size)
    steps = settings.max_steps or math.ceil(epoch * settings.epochs)
    recipe.check_schedules(steps)
    if recipe.teacher:
        require_same_tokens(recipe.teacher, tokenizer)
    model = load_with_head(recipe.model, task.head)
    require_positions(model, recipe.task.max_length, recipe.model)
    teacher = load_teacher(recipe.teacher, task.head) if recipe.teacher else None
    if teacher is not None:
        require_positions(teacher, recipe.task.max_length, str(recipe.teacher))
    collator = padding_collator(tokenizer, texts, task.head)
    if recipe.augmentation is not None:
        settings = _in_steps(settings, epoch, steps)
        features = augmented(
            features,
            cast(nn.Embedding, model.get_input_embeddings()).weight,
            tokenizer.all_special_ids,
            recipe.augmentation,
            settings.seed,
        )
    return _Prepared(settings, task, tokenizer, texts, features, collator, model, teacher)


def _in_steps(settings: TrainingSettings, epoch: int, steps: int) -> TrainingSettings:
    """The settings with all that they count in epochs counted in steps.

    Args:
        settings: of the recipe.
        epoch: steps of one.
        steps: of the run.
    """

    def in_steps(interval: Interval) -> Interval:
        return epoch if interval == "epoch" else interval

    return replace(
        settings,
        max_steps=steps,
        evaluate_every=in_steps(settings.evaluate_every),
        save_every=in_steps(settings.save_every),
    )


def _with_precision(recipe: Recipe, prepared: _Prepared, resumed: Path | None) -> Recipe:
    """The recipe with its precision chosen: that of the run that goes on, else the fastest."""
    if recipe.training.precision != "auto":
        return recipe
    if resumed is not None:
        return recipe.with_precision(precision_of(resumed))
    settings = recipe.training
    chosen = fastest_precision(
        prepared.model,
        prepared.features,
        prepared.collator,
        max(1, settings.batch_size // settings.accumulation),
    )
    return recipe.with_precision(chosen)


def _trainer(recipe: Recipe, prepared: _Prepared, output: Path) -> TaskTrainer:
    """The trainer of a recipe whose precision is chosen."""
    # The precision was chosen for what was prepared.
    settings = replace(prepared.settings, precision=recipe.training.precision)
    model, task = prepared.model, prepared.task
    if settings.gradient_checkpointing:
        require_recomputable(model, recipe.model)
    prepare_model(model, recipe)
    sets = task.evaluation_sets(prepared.texts) if "validation" in task.splits else ()
    metric = metric_name(sets[0], task.metric) if sets else None
    arguments = training_arguments(settings, output, joined_processes().num_processes, metric)
    if not sets:
        arguments.eval_strategy = IntervalStrategy.NO
    return TaskTrainer(
        model,
        arguments,
        teacher=prepared.teacher,
        distillation=recipe.distillation,
        # Beside the run, where the next run with this teacher finds them.
        teacher_folder=output.absolute().parent / "teacher-logits",
        track=track_teacher,
        quantize=recipe.quantize,
        evaluation_sets=sets,
        compute_loss_func=weighted_loss(task, settings.class_weights, prepared.features),
        train_dataset=prepared.features,
        data_collator=prepared.collator,
        processing_class=prepared.tokenizer,
        **pruning_arguments(recipe),
    )
