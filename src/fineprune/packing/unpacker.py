"""From a packed file back to a plain folder."""

import json
from pathlib import Path

from safetensors.numpy import save_file

from fineprune.files import new_folder
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
        FolderTakenError: there is something at the target already.
    """
    model = read_packed(file, limits=limits)
    with new_folder(Path(target)) as folder:
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
