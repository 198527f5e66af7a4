"""Where a packed model lies: a file, or a folder that transformers knows how to load.

Such a folder holds the packed file, and what `AutoModel` looks for beside it: config and tokenizer.
"""

import json
from pathlib import Path

from fineprune.errors import CheckpointError
from fineprune.packing.errors import ContainerError
from fineprune.wording import listed

FILENAME = "model.fineprune.safetensors"
"""Of the packed file in a folder, or on a hub: `model.safetensors` promises plain weights."""

METHOD = "fineprune"
"""How the weights of such a folder are stored, in the words of a `quantization_config`."""

CONFIG = "config.json"


def packed_file(path: Path, filename: str | None = None) -> Path:
    """The packed file that a path stands for.

    Args:
        path: a file, or a folder with one.
        filename: of the file in a folder; without, the usual one, or the only one whose name ends
            so.

    Raises:
        ContainerError: there is none, or there are several.
    """
    if path.is_file():
        return path
    if not path.is_dir():
        raise ContainerError(f"{path} is no file; expected a packed model")
    found = _candidates(path, filename)
    if len(found) == 1:
        return found[0]
    if found:
        raise ContainerError(
            f"{path} holds {listed(one.name for one in found)}; say which with filename"
        )
    raise ContainerError(
        f"{path} holds no packed file {filename or FILENAME}; name one with filename, or pack "
        "the folder first"
    )


def is_packed_folder(path: Path) -> bool:
    """Whether a folder's config says that its weights are packed."""
    try:
        config = json.loads((path / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    stored = config.get("quantization_config") if isinstance(config, dict) else None
    return isinstance(stored, dict) and stored.get("quant_method") == METHOD


def require_plain(folder: Path) -> None:
    """Checks that a folder's weights are not packed, where they must be plain ones.

    Raises:
        CheckpointError: they are packed.
    """
    if is_packed_folder(folder):
        raise CheckpointError(
            f"{folder} is a packed folder; write it as a plain one first: "
            f"`fineprune unpack {folder} TARGET`"
        )


def _candidates(folder: Path, filename: str | None) -> list[Path]:
    if filename is not None:
        found = [folder / filename]
    else:
        usual = folder / FILENAME
        found = [usual] if usual.is_file() else sorted(folder.glob("*.fineprune.safetensors"))
    return [one for one in found if one.is_file()]
