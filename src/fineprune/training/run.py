"""One run: from a recipe to a trained model with its metrics beside it."""

import math
import time
from collections.abc import Callable
from pathlib import Path

from transformers import DataCollatorWithPadding, TrainingArguments, set_seed
from transformers.trainer_callback import PrinterCallback
from transformers.trainer_utils import IntervalStrategy

from fineprune.pruning.attach import attach
from fineprune.tasks.base import Task
from fineprune.tasks.registry import load_task
from fineprune.training.arguments import joined_processes, training_arguments
from fineprune.training.checkpoints import last_checkpoint
from fineprune.training.models import (
    freeze_embeddings,
    load_teacher,
    load_tokenizer,
    load_with_head,
    require_same_tokens,
)
from fineprune.training.progress import ProgressCallback
from fineprune.training.recipe import Recipe
from fineprune.training.run_folder import RunMetrics, claim, conclude, require_usable
from fineprune.training.trainer import FinePruningTrainer, metric_name

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
    arguments = training_arguments(recipe.training, output, processes.num_processes)
    require_usable(output, recipe, resume=resume)
    processes.wait_for_everyone()  # soon the folder is not empty any more
    set_seed(recipe.training.seed)
    task = load_task(recipe.task)
    for note in task.notes if processes.is_main_process else ():
        say(note)
    trainer = _trainer(recipe, task, arguments)
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


def _trainer(recipe: Recipe, task: Task, arguments: TrainingArguments) -> FinePruningTrainer:
    settings, pruning = recipe.training, recipe.pruning
    tokenizer = load_tokenizer(recipe.model)
    features = task.training_features(tokenizer)
    steps = math.ceil(math.ceil(len(features) / settings.batch_size) * settings.epochs)
    recipe.check_schedules(settings.max_steps or steps)
    if recipe.teacher:
        require_same_tokens(recipe.teacher, tokenizer)
    model = load_with_head(recipe.model, task.head)
    if settings.freeze_embeddings:
        freeze_embeddings(model)
    if pruning:
        attach(model, pruning.method, include=pruning.include, exclude=pruning.exclude)
    sets = task.evaluation_sets(tokenizer) if "validation" in task.splits else ()
    if not sets:
        arguments.eval_strategy = IntervalStrategy.NO
    trainer = FinePruningTrainer(
        model,
        arguments,
        teacher=load_teacher(recipe.teacher, task.head) if recipe.teacher else None,
        distillation=recipe.distillation,
        schedule=pruning.schedule if pruning else None,
        penalty_schedule=pruning.penalty_schedule if pruning else None,
        score_learning_rate=settings.score_learning_rate,
        evaluation_sets=sets,
        train_dataset=features,
        data_collator=DataCollatorWithPadding(tokenizer),
        processing_class=tokenizer,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer
