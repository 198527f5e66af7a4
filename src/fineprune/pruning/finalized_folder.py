"""From a folder with masks to a plain one."""

import shutil
from pathlib import Path

from fineprune.errors import CheckpointError
from fineprune.files import new_folder
from fineprune.pruning.counts import count
from fineprune.pruning.finalize import finalize
from fineprune.pruning.load import load_model
from fineprune.pruning.masks import has_masks

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
)
"""What goes along: the tokenizer, whatever its kind, and where the model comes from."""


def finalize_folder(
    source: Path, target: Path, *, method: str | None = None, threshold: float | None = None
) -> float:
    """Writes a plain Hugging Face folder that computes what the masked model does in eval mode.

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
        density = count(model).density
        finalize(model).save_pretrained(folder)
        for pattern in _COMPANIONS:
            for path in source.glob(pattern):
                shutil.copy(path, folder)
    return density
