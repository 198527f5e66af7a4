"""Models and tokenizers to train from, by name."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
import transformers
from torch import nn
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from fineprune.errors import CheckpointError, RecipeError
from fineprune.packing.places import require_plain
from fineprune.pruning.checkpoint import load_model
from fineprune.pruning.targets import find_blocks
from fineprune.tasks.base import Head
from fineprune.tasks.model_names import resolve_name
from fineprune.training.heads import require_head
from fineprune.wording import listed


def load_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """The tokenizer of a model.

    Raises:
        CheckpointError: it cannot be loaded.
    """
    with loading(name, "tokenizer"):
        tokenizer = AutoTokenizer.from_pretrained(resolve_name(name))
        # Where there are no files, some classes make a tokenizer that takes all words for unknown.
        if tokenizer.get_vocab().keys() <= set(tokenizer.all_special_tokens):
            raise ValueError("its vocabulary is empty")
    return cast(PreTrainedTokenizerBase, tokenizer)


def require_padding(tokenizer: PreTrainedTokenizerBase, name: str) -> None:
    """Checks that a tokenizer can make texts of one length.

    Raises:
        CheckpointError: it has no padding token.
    """
    if tokenizer.pad_token is None:
        known = [str(token) for token in tokenizer.all_special_tokens]
        raise CheckpointError(
            f"{name}: its tokenizer has no padding token, which batches need; set pad_token in its "
            f"tokenizer_config.json to a token that it has"
            f"{f' (among its special ones: {listed(known)})' if known else ''}"
        )


def require_positions(model: nn.Module, max_length: int, name: str) -> None:
    """Checks that a model has a position for each token; a tokenizer may know no limit.

    Raises:
        RecipeError: inputs may be longer than the model's table of positions.
    """
    for module_name, module in model.named_modules():
        if not (isinstance(module, nn.Embedding) and module_name.endswith("position_embeddings")):
            continue
        # Where padding has a position of its own, the others are counted from behind it.
        first = 0 if module.padding_idx is None else module.padding_idx + 1
        most = module.num_embeddings - first
        if max_length > most:
            raise RecipeError(
                f"task.max_length is {max_length}, but the model {name!r} has positions for "
                f"{most} tokens: set it to that or less"
            )


def require_recomputable(model: PreTrainedModel, name: str) -> None:
    """Checks that a model can compute its activations a second time.

    Raises:
        RecipeError: it cannot.
    """
    if not model.supports_gradient_checkpointing:
        raise RecipeError(
            f"training.gradient_checkpointing: {type(model).__name__} of {name!r} does not do "
            f"that; leave it out"
        )


def load_with_head(name: str, head: Head) -> PreTrainedModel:
    """A pretrained encoder with a task's head, which is random where the checkpoint has no other.

    In float32, whatever the checkpoint is stored in: bfloat16 weights would lose small updates.

    Raises:
        CheckpointError: it cannot be loaded, or lacks weights of the encoder itself.
    """
    # A checkpoint of another label set gives its encoder, not its head.
    model, absent = _from_pretrained(name, head, ignore_mismatched_sizes=True, **head.config)
    lost = [weight for weight in absent if weight.startswith(_encoder_parts(model))]
    if lost:
        raise CheckpointError(
            f"{name}: the weights do not fit a {type(model).__name__}: {len(lost)} of its encoder "
            f"are missing or of another size, such as {lost[0]!r}; finalize a model with masks "
            f"before another training"
        )
    return model


def load_teacher(name: str, head: Head) -> PreTrainedModel:
    """A trained model to distil from: a run, a plain folder, or a hub name.

    Raises:
        CheckpointError: it cannot be loaded, or was not trained for a task with this head.
    """
    folder = Path(resolve_name(name))
    if folder.is_dir():
        teacher = load_model(folder)
    else:
        teacher, absent = _from_pretrained(name, head)
        if absent:
            raise CheckpointError(
                f"the teacher {name!r} was not trained for the task: {len(absent)} weights are "
                f"missing, such as {absent[0]!r}"
            )
    require_head(teacher, head, f"the teacher {name!r}")
    return teacher


def require_same_tokens(teacher: str, tokenizer: PreTrainedTokenizerBase) -> None:
    """Checks that a teacher reads what its student reads: the same number for each token.

    Args:
        teacher: a run, a plain folder, or a hub name, with a tokenizer beside the model.
        tokenizer: the student's.

    Raises:
        CheckpointError: a token has another number, or the teacher has no tokenizer.
    """
    known = load_tokenizer(teacher).get_vocab()
    for token, number in tokenizer.get_vocab().items():
        if known.get(token) != number:
            raise CheckpointError(
                f"the teacher {teacher!r} reads other tokens than the model: {token!r} is number "
                f"{known.get(token)} for it, and {number} for the model; a teacher has to share "
                f"the model's tokenizer"
            )


def freeze_embeddings(model: nn.Module) -> None:
    """Stops training of all embeddings; their LayerNorm goes on."""
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            module.requires_grad_(False)


def set_dropout(model: nn.Module, probability: float) -> None:
    """Sets the probability of all dropout of a model; its config keeps what it says."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = probability
        # Attention that takes it as an argument keeps it as a number.
        for name, value in vars(module).items():
            if "dropout" in name and isinstance(value, float):
                setattr(module, name, probability)


def _from_pretrained(name: str, head: Head, **options: Any) -> tuple[PreTrainedModel, list[str]]:
    """A model with a head, and the names of those of its weights that the checkpoint lacks."""
    require_plain(Path(resolve_name(name)))
    with loading(name, "model"):
        model, report = getattr(transformers, head.auto_model).from_pretrained(
            resolve_name(name), output_loading_info=True, dtype=torch.float32, **options
        )
    mismatched = {key for key, *_ in report["mismatched_keys"]}
    return cast(PreTrainedModel, model), sorted({*report["missing_keys"], *mismatched})


def _encoder_parts(model: nn.Module) -> tuple[str, ...]:
    """Prefixes of the weights that no training starts without: those of blocks and embeddings."""
    embeddings = [
        name for name, module in model.named_modules() if isinstance(module, nn.Embedding)
    ]
    return tuple(f"{part}." for part in (*embeddings, *(name for name, _ in find_blocks(model))))


@contextmanager
def loading(name: str, what: str) -> Iterator[None]:
    """Turns the many errors of `from_pretrained` into one line, and silences its chatter."""
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        yield
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise CheckpointError(
            f"{name}: no {what} could be loaded; expected a folder with one, or a name on the "
            f"hub: {reason}"
        ) from error
    finally:
        transformers_logging.set_verbosity(verbosity)
