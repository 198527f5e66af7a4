"""The folder of a model: what its config says, and a packed file where a folder is expected."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import transformers
from transformers import PreTrainedModel

from fineprune.errors import CheckpointError, FinepruneError
from fineprune.packing import unpack
from fineprune.packing.places import is_packed_folder


@contextmanager
def model_folder(path: Path) -> Iterator[Path]:
    """The folder of a model: `path` itself, or what the packed file at or in `path` unpacks to.

    Yields:
        A folder; that of a packed model is gone when the block ends.

    Raises:
        PackedFileError: `path` is a file, but no packed model, or a damaged one.
        FinepruneError: the block's own, which names the packed file in place of its folder.
    """
    if not path.is_file() and not is_packed_folder(path):
        yield path
        return
    with TemporaryDirectory(prefix="fineprune-") as scratch:
        folder = Path(scratch) / path.stem
        unpack(path, folder)
        try:
            yield folder
        except FinepruneError as error:
            raise type(error)(str(error).replace(str(folder), str(path))) from error


def read_config(folder: Path) -> dict[str, Any]:
    """The `config.json` of a model folder.

    Raises:
        CheckpointError: there is none, or it is not JSON.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise CheckpointError(
            f"{folder} is not a model folder: it holds no config.json; name a folder that "
            f"`fineprune train`, `fineprune finalize` or `save_pretrained` wrote"
        )
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise CheckpointError(f"{path} must hold an object, found {type(config).__name__}")
    return config


def model_class(config: Mapping[str, Any], folder: Path) -> type[PreTrainedModel]:
    """The class that `architectures` of a config names.

    Raises:
        CheckpointError: it names none that `transformers` has.
    """
    names = config.get("architectures")
    name = names[0] if isinstance(names, list) and names else None
    found = getattr(transformers, str(name), None)
    if not (isinstance(found, type) and issubclass(found, PreTrainedModel)):
        raise CheckpointError(
            f"{folder}/config.json: architectures: expected a model class of transformers "
            f"{transformers.__version__}, found {names!r}"
        )
    return found
