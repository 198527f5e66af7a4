"""A model from any folder that this package understands."""

from pathlib import Path

from transformers import PreTrainedModel

from fineprune.errors import CheckpointError
from fineprune.pruning.checkpoint import is_masked, load_masked, load_plain, read_config
from fineprune.pruning.original import is_original, load_original


def load_model(
    folder: Path | str, *, method: str | None = None, threshold: float | None = None
) -> PreTrainedModel:
    """Loads a masked run, a plain model, or a checkpoint of the original code, in eval mode.

    Args:
        folder: a folder with `config.json` and weights.
        method: for checkpoints of the original code: the method's name, theirs included.
        threshold: for checkpoints of the original code: kept fraction or cut, by method.

    Raises:
        CheckpointError: the folder is none of these, is damaged, or carries its own level while
            a method or threshold is given.
    """
    folder = Path(folder)
    config = read_config(folder)
    if is_original(config):
        return load_original(folder, config, method=method, threshold=threshold)
    if method is not None or threshold is not None:
        raise CheckpointError(
            f"{folder} was not written by the original movement-pruning code: its masks carry "
            f"their level; leave --method and --threshold out"
        )
    return load_masked(folder, config) if is_masked(folder, config) else load_plain(folder, config)
