"""A finalized model's folder, read without PyTorch."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from fineprune.errors import CheckpointError
from fineprune.packing.attachments import find_attachments
from fineprune.packing.codec import storable

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
_INDEX = f"{WEIGHTS}.index.json"

# What names of tensors and keys of the config hold while masks are still attached: our own
# parametrizations, and the original code's scores.
_MASK_NAMES = (".parametrizations.", "mask_scores")
_MASK_TYPE = "masked_bert"
_MASK_KEY = "pruning"


@dataclass(frozen=True, eq=False)
class Source:
    """A finalized model.

    Attributes:
        folder: where it lies.
        config: content of `config.json`.
        tensors: floats as float32, integers as they are, by name.
        attachments: content of further files, by path in the folder.
    """

    folder: Path
    config: dict[str, Any]
    tensors: dict[str, NDArray[Any]]
    attachments: dict[str, bytes]


def read_source(folder: Path) -> Source:
    """Reads a finalized folder.

    Raises:
        CheckpointError: the folder is not there or not complete, the model is not finalized, or a
            tensor is one that cannot be packed.
    """
    if not folder.is_dir():
        raise CheckpointError(f"{folder} is no folder; expected a finalized model's folder")
    config = _read_json(folder / CONFIG)
    if config.get("model_type") == _MASK_TYPE or _MASK_KEY in config:
        raise _not_finalized(folder)
    tensors = {}
    for shard in _shards(folder):
        for name, array in _read_shard(shard):
            if any(part in name for part in _MASK_NAMES):
                raise _not_finalized(folder)
            tensors[name] = _checked(name, array, shard)
    if not tensors:
        raise CheckpointError(f"{folder} holds no tensors")
    return Source(folder, config, tensors, find_attachments(folder))


def _not_finalized(folder: Path) -> CheckpointError:
    return CheckpointError(
        f"{folder} is not finalized: its masks are still attached; "
        f"run `fineprune finalize {folder} TARGET` and pack TARGET"
    )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"{path.parent} has no {path.name}") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is no JSON: {error}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} is no JSON object")
    return content


def _shards(folder: Path) -> list[Path]:
    """The safetensors files of a model."""
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if not (folder / _INDEX).is_file():
        raise CheckpointError(f"{folder} has no {WEIGHTS}; save the model with safetensors")
    match _read_json(folder / _INDEX).get("weight_map"):
        case dict() as places if all(isinstance(name, str) for name in places.values()):
            return [folder / name for name in sorted(set(places.values()))]
        case _:
            raise CheckpointError(f"{folder / _INDEX} has no weight_map of file names")


def _read_shard(path: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    try:
        with safe_open(path, framework="numpy") as shard:
            for name in shard.keys():  # noqa: SIM118 - it is no dict
                yield name, shard.get_tensor(name)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing; the index names it") from error
    except SafetensorError as error:
        raise CheckpointError(f"{path} is no safetensors file: {error}") from error
    except (TypeError, AttributeError) as error:  # NumPy has no bfloat16 nor any 8-bit float
        raise CheckpointError(f"{path} holds a type without NumPy: save it as float32") from error


def _checked(name: str, array: NDArray[Any], path: Path) -> NDArray[Any]:
    """The array with floats as float32."""
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):  # to infinity, which the next line refuses
            array = array.astype(np.float32, copy=False)
        if not np.isfinite(array).all():
            raise CheckpointError(f"{path}: {name} holds numbers that are not finite")
    elif not storable(array.dtype):
        raise CheckpointError(f"{path}: {name} is of type {array.dtype}, which cannot be packed")
    if array.size == 0:
        raise CheckpointError(f"{path}: {name} is empty: its shape is {array.shape}")
    return array
