"""Checkpoints of the original movement-pruning code.

That code copied BERT as `MaskedBert...` and stored `mask_scores` beside each pruned weight, in a
pickled `pytorch_model.bin`; the level was an argument of its scripts and is not in the file.
"""

from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from transformers import BertConfig, PreTrainedModel

from fineprune.errors import CheckpointError, RecipeError
from fineprune.pruning.attach import attach
from fineprune.pruning.masks import Masks
from fineprune.pruning.methods import Method, method_at_threshold
from fineprune.pruning.model_folder import model_class
from fineprune.pruning.one_line import one_line

MODEL_TYPE = "masked_bert"

_MASK_SETTINGS = ("pruning_method", "mask_init", "mask_scale", "architectures", "model_type")
_NOT_IN_BOTH = (".level_value", ".kept", ".position_ids")
"""Levels and masks are new here; position ids were a buffer there."""

_PARAMETRIZED = {
    "weight": "parametrizations.weight.original",
    "mask_scores": "parametrizations.weight.0.scores",
}


def is_original(config: Mapping[str, Any]) -> bool:
    """Whether a folder with this config was written by the original code."""
    return config.get("model_type") == MODEL_TYPE


def load_original(
    folder: Path, config: Mapping[str, Any], *, method: str | None, threshold: float | None
) -> PreTrainedModel:
    """A plain BERT with this package's masks on it, in eval mode, at the level given.

    Args:
        folder: holds `pytorch_model.bin`.
        config: the folder's config.
        method: name of the method, the original's names included; None to take the config's.
        threshold: what the original called so: kept fraction or cut, by method. L0 needs none.

    Raises:
        CheckpointError: a file is missing or damaged, or method or threshold do not fit it.
    """
    weights = _read_weights(folder / "pytorch_model.bin")
    chosen = _method(method or config.get("pruning_method"), threshold, folder)
    model = _masked_bert(config, chosen, folder)
    _load(model, weights, f"{folder}: the weights do not fit {chosen.name} on a plain BERT")
    Masks.of(model).set_level(chosen.final_level)
    return cast(PreTrainedModel, model.eval())  # type: ignore[no-untyped-call]


def _load(model: PreTrainedModel, weights: Mapping[str, Tensor], complaint: str) -> None:
    masked = {one.name.removesuffix(".weight") for one in Masks.of(model)}
    renamed = {_name_here(name, masked): tensor for name, tensor in weights.items()}
    try:
        report = model.load_state_dict(renamed, strict=False)
    except RuntimeError as error:  # a tensor of another shape
        raise CheckpointError(f"{complaint}: {str(error).splitlines()[-1].strip()}") from error
    unfit = [
        name
        for name in (*report.missing_keys, *report.unexpected_keys)
        if not name.endswith(_NOT_IN_BOTH)
    ]
    if unfit:
        raise CheckpointError(
            f"{complaint}: {len(unfit)} are missing or left over, such as {unfit[0]!r}; "
            f"was it trained with another method?"
        )


def _method(name: object, threshold: float | None, folder: Path) -> Method[Any]:
    if name is None:
        raise CheckpointError(
            f"{folder}: a checkpoint of the original code, and its config names no method; "
            f"give --method"
        )
    try:
        return method_at_threshold(str(name), threshold)
    except RecipeError as error:
        raise CheckpointError(f"{folder}: {error}") from error


def _masked_bert(config: Mapping[str, Any], method: Method[Any], folder: Path) -> PreTrainedModel:
    plain = {key: value for key, value in config.items() if key not in _MASK_SETTINGS}
    names = config.get("architectures", ["MaskedBertModel"])
    if isinstance(names, list):
        plain["architectures"] = [str(name).removeprefix("Masked") for name in names]
    bert = model_class(plain, folder)
    try:
        model = bert(BertConfig(**plain))
        attach(model, method)
    except Exception as error:  # of any kind: a model's constructor trusts its config
        raise CheckpointError(
            f"{folder}/config.json describes no BERT: {one_line(error)}"
        ) from error
    return model


def _name_here(name: str, masked: Container[str]) -> str:
    """A tensor's name in the original's files, as the parametrized model calls it."""
    layer, _, kind = name.rpartition(".")
    return f"{layer}.{_PARAMETRIZED[kind]}" if layer in masked and kind in _PARAMETRIZED else name


def _read_weights(path: Path) -> dict[str, Tensor]:
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path.parent} is a checkpoint of the original code, but holds no {path.name}"
        ) from error
    except Exception as error:  # of any kind: a damaged pickle fails in many ways
        raise CheckpointError(
            f"{path} cannot be read as a file of tensors alone, which is all that is safe to load"
        ) from error
    if not _is_state_dict(weights):
        raise CheckpointError(f"{path} must hold a state_dict: names and tensors, nothing else")
    return cast(dict[str, Tensor], weights)


def _is_state_dict(weights: object) -> bool:
    return isinstance(weights, dict) and all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in weights.items()
    )
