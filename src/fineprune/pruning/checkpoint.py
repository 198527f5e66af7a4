"""Models back from folders that `save_pretrained` wrote, masked ones included.

The model's class is asked to load its own folder, masks and all, because only `transformers`
knows how the names in files and the names of modules correspond.
"""

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import transformers
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.utils import logging as transformers_logging

from fineprune.errors import CheckpointError
from fineprune.pruning.attach import attach
from fineprune.pruning.attach_note import AttachNote
from fineprune.pruning.mask import Mask
from fineprune.pruning.one_line import one_line


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


def load_masked(folder: Path, config: Mapping[str, Any]) -> PreTrainedModel:
    """A model with its masks, in eval mode, as it was saved.

    Raises:
        CheckpointError: the folder holds not all of a masked model.
    """
    note = AttachNote.from_config(config)
    plain = model_class(config, folder)

    def build(self: PreTrainedModel, config: PreTrainedConfig) -> None:
        plain.__init__(self, config)
        attach(self, note.method, include=note.include, exclude=note.exclude)

    masked = type(plain.__name__, (plain,), {"__init__": build})
    model = load_whole(masked, folder)
    model.__class__ = plain
    try:
        for module in model.modules():
            if isinstance(module, Mask):
                module.level = note.method.level(float(module.level_value))
    except ValueError as error:
        raise CheckpointError(f"{folder}: a mask's level is damaged: {error}") from error
    return model


def load_plain(folder: Path, config: Mapping[str, Any]) -> PreTrainedModel:
    """A plain model, in eval mode, with the head its config names.

    Raises:
        CheckpointError: the folder holds none, or not all of one.
    """
    return load_whole(model_class(config, folder), folder)


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


def load_whole(cls: type[PreTrainedModel], folder: Path) -> PreTrainedModel:
    """Loads a model and insists on every weight.

    Raises:
        CheckpointError: the weights cannot be read, or some are missing or left over.
    """
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        loaded: Any = cls.from_pretrained(
            folder,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # reported below, in one line
        )
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{folder}: the weights cannot be read as tensors alone, which is all that is safe "
            f"to load"
        ) from error
    except Exception as error:  # of any kind: a damaged folder fails deep in other libraries
        raise CheckpointError(f"{folder}: the model cannot be loaded: {one_line(error)}") from error
    finally:
        transformers_logging.set_verbosity(verbosity)
    model, report = cast(tuple[PreTrainedModel, dict[str, set[str]]], loaded)
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if report[what]:
            some = ", ".join(repr(key) for key in sorted(report[what])[:3])
            raise CheckpointError(
                f"{folder}: the weights do not fit the model: {len(report[what])} "
                f"{what.replace('_', ' ')}, such as {some}"
            )
    return cast(PreTrainedModel, model.eval())  # type: ignore[no-untyped-call]
