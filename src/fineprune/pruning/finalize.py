"""Masks applied for good: of a model in memory, or from one folder to another."""

import shutil
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from fineprune.errors import CheckpointError
from fineprune.files import new_folder
from fineprune.hub.card import write_card_of_plain
from fineprune.packing.modules import MODULES, module_folders
from fineprune.pruning.attach import detach
from fineprune.pruning.attach_note import FINALIZED_KEY, erase_note, note_of
from fineprune.pruning.checkpoint import load_model
from fineprune.pruning.counts import count
from fineprune.pruning.masks import Masks, has_masks, pretrained_models
from fineprune.pruning.sharding import multiply_in_place

Model = TypeVar("Model", bound=nn.Module)

_COMPANIONS = (
    "tokenizer*",
    "vocab*",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "*.model",
    "preprocessor_config.json",
    "metrics.json",
    "recipe.yaml",
    MODULES,
    "config_sentence_transformers.json",
    "sentence_*_config.json",
)
"""What goes along: the tokenizer, whatever its kind, where the model comes from, and how
sentence-transformers makes embeddings with it."""


@torch.no_grad()
def finalize(model: Model) -> Model:
    """Multiplies every masked weight by its mask and takes the masks off, in place.

    The result is a plain model that computes what the masked one did in eval mode; its pruned
    weights are exact zeros. (L0's gates are not binary: they scale the weights they keep.) Where
    other weights were prunable than by default, its config says which, and `count` counts these.

    Returns:
        The same model, for `finalize(model).save_pretrained(folder)`.

    Raises:
        TargetError: the model has no masks.
    """
    for one in Masks.of(model):
        # In the weight's own precision, as the masked layer multiplies.
        multiply_in_place(one.weight, one.multiplier())
    notes = [(inner, note_of(inner)) for inner in pretrained_models(model)]
    detach(model)
    for inner, note in notes:
        erase_note(inner, FINALIZED_KEY)  # of a pruning before this one
        if note is not None and (note.include or note.exclude):
            note.write(inner, FINALIZED_KEY)
    return model


def finalize_folder(
    source: Path, target: Path, *, method: str | None = None, threshold: float | None = None
) -> float:
    """Writes a plain Hugging Face folder that computes what the masked model does in eval mode.

    A model card lies with it.

    Args:
        source: a run, one of its checkpoints, or a checkpoint of the original code.
        target: the folder to appear.
        method: as for `load_model`.
        threshold: as for `load_model`.

    Returns:
        Kept over prunable weights.

    Raises:
        CheckpointError: `source` cannot be read, or is plain already.
        FolderTakenError: there is something at `target`.
    """
    with new_folder(target) as folder:
        model = load_model(source, method=method, threshold=threshold)
        if not has_masks(model):
            raise CheckpointError(f"{source} is a plain model already: it holds no masks to apply")
        counts = count(model)
        finalize(model).save_pretrained(folder)
        for pattern in _COMPANIONS:
            for path in source.glob(pattern):
                shutil.copy(path, folder)
        for name in module_folders(source):
            if (source / name).is_dir():
                shutil.copytree(source / name, folder / name, dirs_exist_ok=True)
        write_card_of_plain(folder, target.resolve().name, counts.kept, counts.prunable)
    return counts.density
