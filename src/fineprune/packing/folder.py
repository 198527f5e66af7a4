"""A plain Hugging Face folder, read and written without PyTorch."""

import json
import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from fineprune.errors import CheckpointError, UnsupportedModelError
from fineprune.packing import attachments
from fineprune.packing.container import header_bytes
from fineprune.packing.header import KINDS
from fineprune.packing.modules import (
    MODULES,
    PRETRAINING,
    WEIGHTS,
    Module,
    read_dense,
    read_modules,
    read_poolings,
)
from fineprune.packing.places import CONFIG, require_plain
from fineprune.packing.tensors import PackedModel, Tensor
from fineprune.wording import quoted

_INDEX = f"{WEIGHTS}.index.json"

_TOKENIZER = "tokenizer.json"
_ATTACHED = (
    _TOKENIZER,
    "tokenizer_config.json",
    "special_tokens_map.json",
    "preprocessor_config.json",
    MODULES,
    *(
        f"sentence_{name}_config.json"
        for name in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
    ),
    "config_sentence_transformers.json",
    "1_Pooling/config.json",
    "recipe.yaml",
    "metrics.json",
)
"""What goes along where it is there."""
_VOCABULARIES = ("vocab.txt", "vocab.json", "merges.txt", "added_tokens.json")
"""Of a tokenizer in the older form, which `tokenizer.json` holds all of."""
_LEFT_BEHIND = frozenset({".model", ".codes", ".spm", ".tiktoken"})
"""How vocabularies end that do not go along: SentencePiece and others of slow tokenizers."""

_DTYPE_KEYS = ("dtype", "torch_dtype")  # of a config; the second is the older name
_FLOAT = "float32"
_SAFETENSORS_TYPES: Mapping[np.dtype[Any], str] = {
    np.dtype(np.float32): "F32",
    np.dtype(np.uint8): "U8",
    np.dtype(np.int32): "I32",
    np.dtype(np.int64): "I64",
}

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
        has_modules: whether some tensors are those of modules behind the encoder.
    """

    folder: Path
    config: dict[str, Any]
    tensors: dict[str, NDArray[Any]]
    attachments: dict[str, bytes]
    has_modules: bool = False


def read_source(folder: Path) -> Source:
    """Reads a finalized folder.

    Raises:
        CheckpointError: the folder is not there or not complete, the model is not finalized, a
            tensor is one that cannot be packed, or the tokenizer is none that can go along.
        UnsupportedModelError: it makes embeddings in a way that no packed file repeats.
    """
    if not folder.is_dir():
        raise CheckpointError(f"{folder} is no folder; expected a finalized model's folder")
    require_plain(folder)
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
    attached = _find_attachments(folder)
    modules = _modules(folder, config, attached)
    of_modules = dict(_module_tensors(folder, modules))
    return Source(folder, config, tensors | of_modules, attached, bool(of_modules))


def makes_embeddings(config: Mapping[str, Any]) -> bool:
    """Whether a model has no head, or one that those who embed texts do not use."""
    names = config.get("architectures")
    name = names[0] if isinstance(names, list) and names else None
    return isinstance(name, str) and ("For" not in name or name.endswith(PRETRAINING))


def _modules(
    folder: Path, config: Mapping[str, Any], attached: dict[str, bytes]
) -> tuple[Module, ...]:
    """The modules behind the encoder, whose configs are put with what goes along.

    Raises:
        UnsupportedModelError: a packed file cannot repeat them.
    """
    modules = read_modules(attached) if makes_embeddings(config) else ()
    for module in modules:
        if module.folder and not attachments.is_safe(module.config):
            raise UnsupportedModelError(f"{folder / MODULES} names {quoted(module.folder)}")
        if (folder / module.config).is_file():
            attached[module.config] = (folder / module.config).read_bytes()
        if module.kind == "Pooling":
            read_poolings(attached, module.config)
        elif module.kind == "Dense":
            read_dense(attached, module.config)
    return modules


def _module_tensors(folder: Path, modules: Iterable[Module]) -> Iterator[tuple[str, NDArray[Any]]]:
    """Tensors of modules, by the names that they have in a packed file."""
    for module in modules:
        if module.kind != "Dense":
            continue
        path = folder / module.weights
        if not path.is_file():
            raise CheckpointError(f"{path} is missing; save the model with safetensors")
        for name, array in _read_shard(path):
            yield module.tensor(name), _checked(name, array, path)


def _find_attachments(folder: Path) -> dict[str, bytes]:
    """Content of the files to take along, by path in the folder."""
    names: tuple[str, ...] = _ATTACHED
    if not (folder / _TOKENIZER).is_file():
        _refuse_to_lose_a_vocabulary(folder)
        names += _VOCABULARIES
    return {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}


def _refuse_to_lose_a_vocabulary(folder: Path) -> None:
    lost = sorted(path.name for path in folder.iterdir() if path.suffix in _LEFT_BEHIND)
    if lost:
        raise CheckpointError(
            f"{folder} has {lost[0]} and no {_TOKENIZER}, without which the tokenizer cannot go "
            "along; save a fast tokenizer there: "
            f"AutoTokenizer.from_pretrained({str(folder)!r}).save_pretrained({str(folder)!r})"
        )


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
                is_bfloat16 = shard.get_slice(name).get_dtype() == "BF16"
                yield name, _read_bfloat16(path, name) if is_bfloat16 else shard.get_tensor(name)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing; the index names it") from error
    except SafetensorError as error:
        raise CheckpointError(f"{path} is no safetensors file: {error}") from error
    except (TypeError, AttributeError) as error:  # NumPy has no 8-bit float
        raise CheckpointError(f"{path} holds a type without NumPy: save it as float32") from error


def _read_bfloat16(path: Path, name: str) -> NDArray[np.float32]:
    """A tensor of the type that NumPy lacks: the upper halves of float32.

    Args:
        path: a safetensors file, checked by its library.
        name: of the tensor.
    """
    with path.open("rb") as shard:
        (size,) = struct.unpack("<Q", shard.read(8))
        entry = json.loads(shard.read(size))[name]
        start, end = entry["data_offsets"]
        shard.seek(start, os.SEEK_CUR)
        halves = np.frombuffer(shard.read(end - start), "<u2").astype(np.uint32)
    return (halves << 16).view(np.float32).reshape(entry["shape"])


def _checked(name: str, array: NDArray[Any], path: Path) -> NDArray[Any]:
    """The array with floats as float32."""
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):  # to infinity, which the next line refuses
            array = array.astype(np.float32, copy=False)
        if not np.isfinite(array).all():
            raise CheckpointError(f"{path}: {name} holds numbers that are not finite")
    elif array.dtype not in KINDS:
        raise CheckpointError(f"{path}: {name} is of type {array.dtype}, which cannot be packed")
    if array.size == 0:
        raise CheckpointError(f"{path}: {name} is empty: its shape is {array.shape}")
    return array


def write_folder(model: PackedModel, folder: Path) -> None:
    """Writes a packed model into an empty folder. Its floats, and so its config, are float32."""
    write_companions(model, folder, {})
    write_weights(model, folder / WEIGHTS)


def write_companions(model: PackedModel, folder: Path, settings: Mapping[str, Any]) -> None:
    """Writes all but the encoder's weights: config, attached files, weights of modules behind it.

    Args:
        model: packed.
        folder: to write into.
        settings: further ones for the config.
    """
    config = json.dumps(_with_dtype(model.config) | dict(settings), indent=2) + "\n"
    (folder / CONFIG).write_text(config, encoding="utf-8")
    for name, content in model.attachments.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for place, tensors in _by_folder(model).items():
        if place:
            _write_tensors(tensors, folder / place / WEIGHTS)


def write_weights(model: PackedModel, path: Path) -> None:
    """Writes the weights of a model, but for those of modules behind it, as a plain file."""
    _write_tensors(_by_folder(model)[""], path)


def _by_folder(model: PackedModel) -> dict[str, dict[str, Tensor]]:
    """Tensors by the folder that they belong into: those of modules have one of their own."""
    found: dict[str, dict[str, Tensor]] = {"": {}}
    for name, tensor in model.tensors.items():
        folder, _, inside = name.rpartition("/")
        # The paths of attached files are safe, whatever names of tensors are.
        if folder and f"{folder}/{CONFIG}" in model.attachments:
            found.setdefault(folder, {})[inside] = tensor
        else:
            found[""][name] = tensor
    return found


def _with_dtype(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config, and those inside of it, that say the type of the weights where they say one."""
    changed = {
        key: _with_dtype(value) if isinstance(value, dict) else value
        for key, value in config.items()
    }
    return changed | {key: _FLOAT for key in _DTYPE_KEYS if isinstance(config.get(key), str)}


def _write_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Writes tensors one by one: only one is ever there with all of its zeros."""
    # As the library orders them, so that each is aligned.
    order = sorted(tensors.items(), key=lambda item: (-item[1].array_type.itemsize, item[0]))
    entries = (
        (
            name,
            _SAFETENSORS_TYPES[tensor.array_type],
            list(tensor.shape),
            prod(tensor.shape) * tensor.array_type.itemsize,
        )
        for name, tensor in order
    )
    with path.open("wb") as stream:
        stream.write(header_bytes({"format": "pt"}, entries))  # `transformers` asks for it
        for _, tensor in order:
            array = np.ascontiguousarray(tensor.to_array(), tensor.array_type.newbyteorder("<"))
            stream.write(array.data)
