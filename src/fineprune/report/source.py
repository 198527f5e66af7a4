"""Models of any kind, opened to be measured."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from fineprune.errors import CheckpointError
from fineprune.extras import needs
from fineprune.packing import PackedModel, pack, read_packed
from fineprune.packing.folder import read_source
from fineprune.packing.modules import WEIGHTS
from fineprune.packing.places import is_packed_folder, packed_file
from fineprune.packing.told import METRICS, RECIPE, content_of, json_object, yaml_mapping
from fineprune.report.records import Kind

_DENSITY_FOLDER = re.compile(r"density-\d+(\.\d+)?(e-\d+)?")  # as `%g` writes a number
_LOG = "trainer_state.json"
_SCORES = ".parametrizations.weight.0.scores"


@dataclass(frozen=True, eq=False)
class Opened:
    """A model ready to be measured.

    Attributes:
        path: where it lies.
        kind: what it is.
        file: it as a packed file: itself, or one that is made for the report.
        packed: the content of that.
        plain: tensors of the plain model, by name; None for a packed file, which is all there is.
        attachments: content of tokenizer and other files.
        metrics: that were recorded with it; empty if none were.
        recipe: that it was trained with; empty if there is none.
        log: lines of the run's log, as written.
        masked: a checkpoint with scores; None where there are none.
    """

    path: Path
    kind: Kind
    file: Path
    packed: PackedModel
    plain: Mapping[str, NDArray[Any]] | None
    attachments: Mapping[str, bytes]
    metrics: Mapping[str, Any]
    recipe: Mapping[str, Any]
    log: list[Mapping[str, Any]]
    masked: Path | None = None

    def array(self, name: str) -> NDArray[Any]:
        """A tensor, as the plain model has it where there is one."""
        return self.packed.tensors[name].to_array() if self.plain is None else self.plain[name]

    def scores(self) -> Iterator[NDArray[Any]]:
        """Scores of each matrix that has any."""
        if self.masked is None:
            return
        with safe_open(self.masked, framework="numpy") as file:
            for name in file.keys():  # noqa: SIM118 - it is no dict
                if name.endswith(_SCORES):
                    yield file.get_tensor(name).astype(np.float32)


def open_model(path: Path, scratch: Path, *, bits: int = 8) -> Opened:
    """Opens a run, a plain folder, or a packed file or the folder of one.

    Args:
        path: of it.
        scratch: a folder for what has to be made of it: a plain model, a packed file.
        bits: of that file's weights, embeddings included.

    Raises:
        FinepruneError: it is none of these, or damaged.
    """
    if path.is_file() or is_packed_folder(path):
        file = packed_file(path)
        packed = read_packed(file)
        attached = packed.attachments
        return Opened(
            path, "packed file", file, packed, None, attached,
            metrics=json_object(attached.get(METRICS)), recipe=yaml_mapping(attached.get(RECIPE)),
            log=[],
        )  # fmt: skip
    if not path.is_dir():
        raise CheckpointError(f"{path} is not there; name a run, a model's folder or a packed file")
    scratch.mkdir()
    weights = path / WEIGHTS
    is_masked = _is_masked(weights)
    plain = _finalized(path, scratch / "plain") if is_masked else path
    source = read_source(plain)
    file = scratch / "packed.safetensors"
    pack(plain, file, bits=bits, embedding_bits=bits)
    return Opened(
        path=path,
        kind="run" if is_masked else "folder",
        file=file,
        packed=read_packed(file),
        plain=source.tensors,
        attachments=source.attachments,
        metrics=json_object(content_of(path / METRICS)),
        recipe=yaml_mapping(content_of(path / RECIPE)),
        log=_log_of(path),
        masked=weights if is_masked else None,
    )


def density_folders(run: Path) -> list[Path]:
    """The models that a run left on its way, one for each density, the densest first."""
    models = [one for one in run.glob("density-*") if (one / "config.json").is_file()]
    numbered = [one for one in models if _DENSITY_FOLDER.fullmatch(one.name)]
    return sorted(numbered, key=lambda one: -float(one.name.removeprefix("density-")))


def _is_masked(weights: Path) -> bool:
    if not weights.is_file():
        return False
    try:
        with safe_open(weights, framework="numpy") as file:
            return any(".parametrizations." in name for name in file.keys())  # noqa: SIM118
    except SafetensorError as error:
        raise CheckpointError(f"{weights} is no safetensors file: {error}") from error


def _finalized(path: Path, target: Path) -> Path:
    with needs("train", "a report of a run"):
        from fineprune.pruning.finalize import finalize_folder

    finalize_folder(path, target)
    return target


def _log_of(path: Path) -> list[Mapping[str, Any]]:
    """The log of a run, or of its newest checkpoint while it goes on."""
    found = [path / _LOG, *sorted(path.glob(f"checkpoint-*/{_LOG}"), key=_step, reverse=True)]
    content = next((content for file in found if (content := content_of(file)) is not None), None)
    lines = json_object(content).get("log_history", [])
    return [line for line in lines if isinstance(line, dict)] if isinstance(lines, list) else []


def _step(file: Path) -> int:
    step = file.parent.name.rpartition("-")[2]
    return int(step) if step.isdecimal() else -1
