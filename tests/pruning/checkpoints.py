"""Damage done to checkpoints, for the tests that nothing of it gets through."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from fineprune.errors import CheckpointError
from fineprune.pruning import load_model

Damage = Callable[[Path], object]


def damaged(source: Path, target: Path, damage: Damage) -> Path:
    """A copy of a model folder, with something done to it."""
    shutil.copytree(source, target, copy_function=shutil.copyfile)
    damage(target)
    return target


def refusal(folder: Path, **options: Any) -> str:
    """The one line with which a folder is refused, without the folder's own path."""
    with pytest.raises(CheckpointError) as caught:
        load_model(folder, **options)
    message = str(caught.value)
    assert len(message.splitlines()) == 1, message
    assert message.isprintable()
    return message.replace(str(folder), "FOLDER")


def configured(**changes: Any) -> Damage:
    """Changes keys of the config."""

    def damage(folder: Path) -> None:
        path = folder / "config.json"
        config = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps({**config, **changes}), encoding="utf-8")

    return damage


def noted(**changes: Any) -> Damage:
    """Changes keys of the note on pruning in the config."""

    def damage(folder: Path) -> None:
        note = json.loads((folder / "config.json").read_text(encoding="utf-8"))["pruning"]
        configured(pruning={**note, **changes})(folder)

    return damage


def written(name: str, content: bytes) -> Damage:
    """Puts other content into a file."""
    return lambda folder: (folder / name).write_bytes(content)


def removed(name: str) -> Damage:
    return lambda folder: (folder / name).unlink()


def cut(name: str, *, keep: int) -> Damage:
    """Leaves only the first bytes of a file, or all but the last ones where `keep` is negative."""
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:keep])


def retensored(change: Callable[[dict[str, Tensor]], object]) -> Damage:
    """Changes the tensors of a safetensors file."""

    def damage(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})

    return damage


class Exploit:
    """Unpickling this makes a file: the sign that code from a checkpoint has run."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[[Path], object], tuple[Path]]:
        return Path.touch, (self.marker,)


def exploited(marker: Path, *, as_archive: bool) -> Damage:
    """Puts code where the weights were, in the format of today or in that of old."""

    def damage(folder: Path) -> None:
        (folder / "model.safetensors").unlink(missing_ok=True)
        path = folder / "pytorch_model.bin"
        content = {"bert.embeddings.word_embeddings.weight": Exploit(marker)}
        if as_archive:
            torch.save(content, path)
        else:
            path.write_bytes(pickle.dumps(content, protocol=2))

    return damage


def assert_is_an_exploit(folder: Path, marker: Path) -> None:
    """Runs the code after all, so that a test cannot pass on a harmless file."""
    assert not marker.exists()
    path = folder / "pytorch_model.bin"
    with path.open("rb") as file:
        if file.read(2) == b"PK":
            torch.load(path, weights_only=False)
        else:
            pickle.loads(path.read_bytes())
    assert marker.exists()
