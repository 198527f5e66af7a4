"""From a packed file back to a plain folder."""

import json
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors.numpy import save_file

from fineprune.errors import CheckpointError
from fineprune.packing.limits import ReadLimits
from fineprune.packing.model import PackedModel
from fineprune.packing.reader import read_packed
from fineprune.packing.source import CONFIG, WEIGHTS


def unpack(file: str | Path, target: str | Path, *, limits: ReadLimits | None = None) -> None:
    """Writes a packed model as a plain Hugging Face folder.

    Args:
        file: a packed model.
        target: folder to write; it must not exist, or be empty, and appears whole or not at all.
        limits: what reading may take at most.

    Raises:
        PackedFileError: the file is no packed model, or a damaged one.
        CheckpointError: there is something at the target already.
    """
    model = read_packed(file, limits=limits)
    with _appearing(Path(target)) as folder:
        _write(model, folder)


def _write(model: PackedModel, folder: Path) -> None:
    config = json.dumps(dict(model.config), indent=2) + "\n"
    (folder / CONFIG).write_text(config, encoding="utf-8")
    arrays = {name: tensor.to_array() for name, tensor in model.tensors.items()}
    save_file(arrays, folder / WEIGHTS, metadata={"format": "pt"})  # `transformers` asks for it
    for name, content in model.attachments.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """A folder to fill, which takes its name when all went well and is gone when not."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CheckpointError(f"{folder} is there already; name a folder that is not")
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    temporary.mkdir()
    try:
        yield temporary
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
