"""Task metrics of a model that is there already."""

from pathlib import Path
from tempfile import TemporaryDirectory

from transformers.trainer_callback import PrinterCallback

from fineprune.extras import needs
from fineprune.pruning.checkpoint import load_model
from fineprune.pruning.counts import count
from fineprune.tasks.base import Evaluation, Split, evaluation_of
from fineprune.tasks.heads import named_classes
from fineprune.tasks.registry import load_task
from fineprune.tasks.sentence_embedding import SentenceEmbeddingSettings
from fineprune.training.arguments import evaluation_arguments
from fineprune.training.heads import labels_of, require_head
from fineprune.training.models import load_tokenizer, require_padding, require_positions
from fineprune.training.recipe import Recipe
from fineprune.training.run_folder import RECIPE_FILE, precision_of
from fineprune.training.task_trainer import TaskTrainer
from fineprune.training.texts import padding_collator, text_tokenizer


def evaluate(folder: Path, recipe: Recipe, *, split: Split = "validation") -> Evaluation:
    """Evaluates a run, a checkpoint or a plain model folder on a recipe's task.

    No other split is read. Where the recipe names no classes, they are those of the model, if it
    names them. A masked model is evaluated at the level its checkpoint carries.

    Raises:
        FinepruneError: the model cannot be loaded, the data cannot, or they do not fit.
    """
    model = load_model(folder)
    if isinstance(recipe.task, SentenceEmbeddingSettings):
        return _of_embeddings(folder, recipe, count(model).density, split)
    task = load_task(recipe.task, only=split, labels=named_classes(labels_of(model.config)))
    tokenizer = load_tokenizer(str(folder))
    require_padding(tokenizer, str(folder))
    require_head(model, task.head, f"the model {str(folder)!r}")
    require_positions(model, recipe.task.max_length, str(folder))
    texts = text_tokenizer(tokenizer)
    sets = task.evaluation_sets(texts, split)
    with TemporaryDirectory() as scratch:
        trainer = TaskTrainer(
            model,
            evaluation_arguments(_as_trained(recipe, folder).training, Path(scratch)),
            evaluation_sets=sets,
            data_collator=padding_collator(tokenizer, texts, task.head),
        )
        trainer.remove_callback(PrinterCallback)
        logits = [trainer.logits(one) for one in sets]
    return evaluation_of(sets, logits, density=count(model).density, notes=task.notes)


def _of_embeddings(folder: Path, recipe: Recipe, density: float, split: Split) -> Evaluation:
    """The same for a model that embeds, which another library loads."""
    with needs("embed", "an evaluation of sentence embeddings"):
        from fineprune.training.embedding.evaluate import embeddings_of

    task = load_task(recipe.task, only=split)
    tokenizer = load_tokenizer(str(folder))
    require_padding(tokenizer, str(folder))
    sets = task.evaluation_sets(text_tokenizer(tokenizer), split)
    embeddings = embeddings_of(folder, _as_trained(recipe, folder), tokenizer, sets)
    logits = [(one,) for one in embeddings]
    return evaluation_of(sets, logits, density=density, notes=task.notes)


def _as_trained(recipe: Recipe, model: Path) -> Recipe:
    """The recipe in the precision that the model's own run chose, where it leaves that open."""
    if recipe.training.precision == "auto":
        for folder in (model, model.parent):  # a run or what was finalized of it, or a checkpoint
            if (folder / RECIPE_FILE).is_file():
                return recipe.with_precision(precision_of(folder))
    return recipe
