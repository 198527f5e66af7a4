"""A model from any folder that this package understands, masked ones included.

The model's class is asked to load its own folder, masks and all, because only `transformers`
knows how the names in files and the names of modules correspond.
"""

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from safetensors import safe_open
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.utils import logging as transformers_logging

from fineprune.errors import CheckpointError
from fineprune.packing.modules import PRETRAINING
from fineprune.packing.places import require_plain
from fineprune.pruning.attach import attach
from fineprune.pruning.attach_note import CONFIG_KEY, AttachNote
from fineprune.pruning.masks import Masks
from fineprune.pruning.model_folder import model_class, read_config
from fineprune.pruning.one_line import one_line
from fineprune.pruning.original import is_original, load_original
from fineprune.pruning.saving import ORIGINAL, is_plain_twin

_KEPT = ".parametrizations.weight.0.kept"
_MOMENT = ".parametrizations.weight.0.second_moment"


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
    require_plain(folder)
    config = read_config(folder)
    if is_original(config):
        return load_original(folder, config, method=method, threshold=threshold)
    if method is not None or threshold is not None:
        raise CheckpointError(
            f"{folder} was not written by the original movement-pruning code: its masks carry "
            f"their level; leave --method and --threshold out"
        )
    return load_masked(folder, config) if is_masked(folder, config) else load_plain(folder, config)


def is_masked(folder: Path, config: Mapping[str, Any]) -> bool:
    """Whether a folder holds a model with masks.

    A model that was loaded from such a folder without them keeps the note in its config, and is
    plain all the same when it is saved again: the weights decide.
    """
    if CONFIG_KEY not in config:
        return False
    names = _tensor_names(folder)
    return names is None or any(name.endswith(ORIGINAL) for name in names)


def load_masked(folder: Path, config: Mapping[str, Any]) -> PreTrainedModel:
    """A model with its masks, in eval mode, as it was saved.

    Raises:
        CheckpointError: the folder holds not all of a masked model.
    """
    note = AttachNote.from_config(config)
    plain = model_class(config, folder)
    names = _tensor_names(folder) or set()
    has_moments = any(name.endswith(_MOMENT) for name in names)

    def build(self: PreTrainedModel, config: PreTrainedConfig) -> None:
        plain.__init__(self, config)
        masks = attach(self, note.method, include=note.include, exclude=note.exclude)
        if note.frozen:
            masks.freeze()
        for one in masks:
            one.mask.before_loading({"second_moment"} if has_moments else set())

    masked = type(plain.__name__, (plain,), {"__init__": build})
    model, report = _load(masked, folder)
    model.__class__ = plain
    # Checkpoints of the first version hold no masks: scores and levels say what they were.
    is_old = not any(name.endswith(_KEPT) for name in names) and not note.method.needs_second_moment
    without_masks = {name for name in report.missing if is_old and name.endswith(_KEPT)}
    twins = {name for name in report.unexpected if is_plain_twin(name, report.loaded(model))}
    report.without(missing=without_masks, unexpected=twins).require_complete(folder)
    try:
        for one in Masks.of(model):
            one.mask.after_loading()
            if without_masks:
                one.mask.restore(one.weight)
    except ValueError as error:
        raise CheckpointError(f"{folder}: a mask's level is damaged: {error}") from error
    return model


def load_plain(folder: Path, config: Mapping[str, Any]) -> PreTrainedModel:
    """A plain model, in eval mode, with the head its config names.

    The head of a pretraining may be gone, as sentence-transformers leaves it out: then it is the
    encoder, as `AutoModel` loads it.

    Raises:
        CheckpointError: the folder holds none, or not all of one.
    """
    cls = model_class(config, folder)
    model, report = _load(cls, folder)
    if cls.__name__.endswith(PRETRAINING) and report.lacks_all_but(f"{cls.base_model_prefix}."):
        encoder = cast(type[PreTrainedModel], type(model.base_model))
        model, report = _load(encoder, folder)
        if report.missing and all(name.startswith("pooler.") for name in report.missing):
            model, report = _load(encoder, folder, add_pooling_layer=False)
    report.require_complete(folder)
    return model


@dataclass(frozen=True)
class _Report:
    """How the tensors of a folder and those of a model correspond, by their names."""

    missing: frozenset[str]
    unexpected: frozenset[str]
    mismatched: frozenset[str]

    def loaded(self, model: PreTrainedModel) -> set[str]:
        """Names of the model's tensors that the folder held."""
        return set(model.state_dict()) - self.missing

    def lacks_all_but(self, prefix: str) -> bool:
        """Whether tensors are missing, and none of those whose names begin so."""
        return bool(self.missing) and not any(name.startswith(prefix) for name in self.missing)

    def without(self, missing: set[str], unexpected: set[str]) -> "_Report":
        """The report without what is not missed."""
        return _Report(self.missing - missing, self.unexpected - unexpected, self.mismatched)

    def require_complete(self, folder: Path) -> None:
        """Insists on every weight.

        Raises:
            CheckpointError: some are missing, left over or of another size.
        """
        for what, names in (
            ("missing", self.missing),
            ("unexpected", self.unexpected),
            ("mismatched", self.mismatched),
        ):
            if names:
                some = ", ".join(repr(name) for name in sorted(names)[:3])
                raise CheckpointError(
                    f"{folder}: the weights do not fit the model: {len(names)} {what} keys, such "
                    f"as {some}"
                )


def _load(
    cls: type[PreTrainedModel], folder: Path, **options: Any
) -> tuple[PreTrainedModel, _Report]:
    """A model in eval mode, and what its folder lacked.

    Args:
        cls: of the model.
        folder: it lies in.
        **options: of the class.

    Raises:
        CheckpointError: the weights cannot be read.
    """
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        loaded: Any = cls.from_pretrained(
            folder,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # reported in one line
            **options,
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
    model, found = cast(tuple[PreTrainedModel, dict[str, Any]], loaded)
    mismatched = frozenset(
        key if isinstance(key, str) else key[0] for key in found["mismatched_keys"]
    )
    report = _Report(
        frozenset(found["missing_keys"]), frozenset(found["unexpected_keys"]), mismatched
    )
    return cast(PreTrainedModel, model.eval()), report  # type: ignore[no-untyped-call]


def _tensor_names(folder: Path) -> set[str] | None:
    """Names of the tensors in a folder's safetensors files; None where there are none, or damaged.

    Of what is damaged, loading itself says what is wrong.
    """
    names: set[str] = set()
    files = sorted(folder.glob("model*.safetensors"))
    try:
        for path in files:
            with safe_open(path, framework="pt") as file:
                names.update(file.keys())
    except Exception:  # the library's own class of errors, and those of the system
        return None
    return names if files else None
