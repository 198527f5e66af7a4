"""Folders that `save_pretrained` wrote and something befell: one line each, and nothing runs."""

import logging
import random
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from transformers.utils import logging as transformers_logging

from fineprune.errors import CheckpointError
from fineprune.pruning import Threshold, load_model
from tests.models import BERT, METHODS, mask_at_random
from tests.pruning.checkpoints import (
    Damage,
    assert_is_an_exploit,
    configured,
    cut,
    damaged,
    exploited,
    noted,
    refusal,
    removed,
    retensored,
    written,
)

QUERY = "bert.encoder.layer.0.attention.self.query"
SCORES = f"{QUERY}.parametrizations.weight.0.scores"
LEVEL = f"{QUERY}.parametrizations.weight.0.level_value"
KEPT = f"{QUERY}.parametrizations.weight.0.kept"
WEIGHTS = "model.safetensors"
KINDS = ("plain", "masked")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A plain and a masked model, as they were saved."""
    root = tmp_path_factory.mktemp("folders")
    BERT.build().save_pretrained(root / "plain")
    model = BERT.build()
    mask_at_random(model, METHODS["movement"])
    model.save_pretrained(root / "masked")
    return {kind: root / kind for kind in KINDS}


def test_what_is_to_be_damaged_can_be_loaded(folders: dict[str, Path]) -> None:
    for folder in folders.values():
        load_model(folder)


ANY_KIND: dict[str, tuple[Damage, str]] = {
    "no config": (removed("config.json"), "FOLDER is not a model folder: it holds no config.json"),
    "half a config": (cut("config.json", keep=30), "FOLDER/config.json is not JSON: "),
    "an empty config": (written("config.json", b""), "FOLDER/config.json is not JSON: "),
    "a config that is no text": (
        written("config.json", b"\xff\xfe\x00"),
        "FOLDER/config.json is not JSON: ",
    ),
    "a config nested without end": (
        written("config.json", b"[" * 100_000),
        "FOLDER/config.json is not JSON: ",
    ),
    "a config that is a list": (
        written("config.json", b"[]"),
        "FOLDER/config.json must hold an object, found list",
    ),
    "an unknown architecture": (
        configured(architectures=["NoSuchModel"]),
        "FOLDER/config.json: architectures: expected a model class of transformers",
    ),
    "no architecture": (configured(architectures=[]), "FOLDER/config.json: architectures: "),
    "an architecture that is no model": (
        configured(architectures=["AutoConfig"]),
        "FOLDER/config.json: architectures: ",
    ),
    "an architecture that is no list": (
        configured(architectures="BertModel"),
        "FOLDER/config.json: architectures: ",
    ),
    "an architecture that is a number": (
        configured(architectures=5),
        "FOLDER/config.json: architectures: ",
    ),
    "an architecture of two lines": (
        configured(architectures=["Bert\nModel"]),
        "FOLDER/config.json: architectures: ",
    ),
    "a size that is text": (
        configured(hidden_size="large"),
        "FOLDER: the model cannot be loaded: ",
    ),
    "a size that does not divide": (
        configured(hidden_size=17),
        "FOLDER: the model cannot be loaded: ",
    ),
    "a size of zero": (configured(hidden_size=0), "FOLDER: the model cannot be loaded: "),
    "a negative size": (configured(hidden_size=-1), "FOLDER: the model cannot be loaded: "),
    "an unknown activation": (
        configured(hidden_act="none"),
        "FOLDER: the model cannot be loaded: ",
    ),
    "fewer layers": (
        configured(num_hidden_layers=1),
        "FOLDER: the weights do not fit the model: ",
    ),
    "more layers": (
        configured(num_hidden_layers=3),
        "FOLDER: the weights do not fit the model: ",
    ),
    "no weights": (removed(WEIGHTS), "FOLDER: the model cannot be loaded: "),
    "empty weights": (written(WEIGHTS, b""), "FOLDER: the model cannot be loaded: "),
    "weights that are noise": (
        written(WEIGHTS, b"\xff" * 999),
        "FOLDER: the model cannot be loaded: ",
    ),
    "weights without an end": (cut(WEIGHTS, keep=-1), "FOLDER: the model cannot be loaded: "),
    "half a header": (cut(WEIGHTS, keep=100), "FOLDER: the model cannot be loaded: "),
    "a missing tensor": (
        retensored(lambda tensors: tensors.pop("classifier.weight")),
        "FOLDER: the weights do not fit the model: 1 missing keys, such as 'classifier.weight'",
    ),
    "a tensor too many": (
        retensored(lambda tensors: tensors.update(extra=torch.ones(1))),
        "FOLDER: the weights do not fit the model: 1 unexpected keys, such as 'extra'",
    ),
    "a name of two lines": (
        retensored(lambda tensors: tensors.update({"ex\ntra": torch.ones(1)})),
        "FOLDER: the weights do not fit the model: 1 unexpected keys, such as 'ex\\ntra'",
    ),
    "a tensor of another shape": (
        retensored(lambda tensors: tensors.update({"classifier.weight": torch.ones(2, 3)})),
        "FOLDER: the weights do not fit the model: 1 mismatched keys, such as 'classifier.weight'",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", ANY_KIND)
def test_a_damaged_folder(case: str, kind: str, folders: dict[str, Path], tmp_path: Path) -> None:
    damage, expected = ANY_KIND[case]
    assert refusal(damaged(folders[kind], tmp_path / "model", damage)).startswith(expected)


NOTE = "config.json: pruning: not as written: "

MASKED: dict[str, tuple[Damage, str]] = {
    "a note that is null": (configured(pruning=None), NOTE),
    "a note that is text": (configured(pruning="movement"), NOTE),
    "a note that is a list": (configured(pruning=["movement"]), NOTE),
    "an empty note": (configured(pruning={}), NOTE),
    "no method": (noted(method=None), NOTE),
    "a method that is text": (noted(method="movement"), NOTE),
    "a method without a name": (noted(method={}), NOTE),
    "an unknown method": (noted(method={"name": "none"}), NOTE),
    "an unknown field": (noted(method={"name": "movement", "of\ntwo lines": 1}), NOTE),
    "an impossible field": (noted(method={"name": "movement", "keep": 7}), NOTE),
    "a field that is no number": (noted(method={"name": "movement", "keep": [1]}), NOTE),
    "a field that is not finite": (noted(method={"name": "l0", "final_lambda": 1e999}), NOTE),
    "patterns that are text": (noted(include="classifier"), NOTE),
    "patterns that are numbers": (noted(exclude=[5]), NOTE),
    "a pattern that matches nothing": (
        noted(include=["none"]),
        "FOLDER: the model cannot be loaded: TargetError: the pattern 'none' matches no linear",
    ),
    "another method": (
        noted(method={"name": "magnitude"}),
        "FOLDER: the weights do not fit the model: 12 unexpected keys, such as",
    ),
    "a layer more": (
        noted(include=["classifier"]),
        "FOLDER: the weights do not fit the model: 4 missing keys, such as",
    ),
    "no layers": (
        configured(num_hidden_layers=0),
        "FOLDER: the model cannot be loaded: TargetError: ",
    ),
    "missing scores": (
        retensored(lambda tensors: tensors.pop(SCORES)),
        f"FOLDER: the weights do not fit the model: 1 missing keys, such as {SCORES!r}",
    ),
    "a missing mask": (
        retensored(lambda tensors: tensors.pop(KEPT)),
        f"FOLDER: the weights do not fit the model: 1 missing keys, such as {KEPT!r}",
    ),
    "a missing level": (
        retensored(lambda tensors: tensors.pop(LEVEL)),
        f"FOLDER: the weights do not fit the model: 1 missing keys, such as {LEVEL!r}",
    ),
    "scores of another shape": (
        retensored(lambda tensors: tensors.update({SCORES: torch.ones(16, 15)})),
        f"FOLDER: the weights do not fit the model: 1 mismatched keys, such as {SCORES!r}",
    ),
    "a level that is a vector": (
        retensored(lambda tensors: tensors.update({LEVEL: torch.ones(2).double()})),
        f"FOLDER: the weights do not fit the model: 1 mismatched keys, such as {LEVEL!r}",
    ),
    "an impossible level": (
        retensored(lambda tensors: tensors.update({LEVEL: torch.tensor(7.0).double()})),
        "FOLDER: a mask's level is damaged: a kept fraction lies within 0 to 1, found 7.0",
    ),
    "a level that is no number": (
        retensored(lambda tensors: tensors.update({LEVEL: torch.tensor(torch.nan).double()})),
        "FOLDER: a mask's level is damaged: a kept fraction lies within 0 to 1, found nan",
    ),
}


@pytest.mark.parametrize("case", MASKED)
def test_damaged_masks(case: str, folders: dict[str, Path], tmp_path: Path) -> None:
    damage, expected = MASKED[case]
    assert refusal(damaged(folders["masked"], tmp_path / "model", damage)).startswith(expected)


def test_masks_that_gradients_made_cannot_be_made_anew(tmp_path: Path) -> None:
    model = BERT.build()
    mask_at_random(model, METHODS["fisher"])
    model.save_pretrained(tmp_path / "model")

    def forget(tensors: dict[str, torch.Tensor]) -> None:
        for name in [name for name in tensors if name.endswith(".kept")]:
            del tensors[name]

    retensored(forget)(tmp_path / "model")
    message = refusal(tmp_path / "model")
    assert message.startswith("FOLDER: the weights do not fit the model: 12 missing keys")


def test_a_cut_that_is_no_number(tmp_path: Path) -> None:
    model = BERT.build()
    mask_at_random(model, Threshold())
    model.save_pretrained(tmp_path / "model")
    damage = retensored(lambda tensors: tensors.update({LEVEL: torch.tensor(torch.nan).double()}))
    damage(tmp_path / "model")
    assert refusal(tmp_path / "model").startswith("FOLDER: a mask's level is damaged: ")


def test_masks_without_a_note_are_not_dropped(folders: dict[str, Path], tmp_path: Path) -> None:
    def forget(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(path.read_text(encoding="utf-8").replace('"pruning"', '"forgotten"'))

    message = refusal(damaged(folders["masked"], tmp_path / "model", forget))
    assert message.startswith("FOLDER: the weights do not fit the model: ")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("as_archive", [True, False])
def test_code_in_a_checkpoint_is_not_run(
    as_archive: bool, kind: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    marker = tmp_path / "marker"
    folder = damaged(folders[kind], tmp_path / "model", exploited(marker, as_archive=as_archive))
    message = refusal(folder)
    assert message == (
        "FOLDER: the weights cannot be read as tensors alone, which is all that is safe to load"
    )
    assert not marker.exists()
    assert_is_an_exploit(folder, marker)


def test_code_beside_a_config_is_not_run(folders: dict[str, Path], tmp_path: Path) -> None:
    marker = tmp_path / "marker"

    def plant(folder: Path) -> None:
        (folder / "planted.py").write_text(f"open({str(marker)!r}, 'w')\n", encoding="utf-8")
        configured(
            auto_map={"AutoModel": "planted.Model", "AutoConfig": "planted.Config"},
            model_type="planted",
        )(folder)

    load_model(damaged(folders["plain"], tmp_path / "model", plant))
    assert not marker.exists()


def test_mutated_weights_load_or_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    content = (folders["plain"] / WEIGHTS).read_bytes()
    header = int.from_bytes(content[:8], "little") + 8
    folder = damaged(folders["plain"], tmp_path / "model", removed(WEIGHTS))
    dice = random.Random(0)
    refusals = []
    for _ in range(60):
        mutated = bytearray(content)
        for _ in range(dice.choice([1, 3, 10])):
            mutated[dice.randrange(header)] = dice.randrange(256)
        (folder / WEIGHTS).write_bytes(mutated)
        try:
            load_model(folder)
        except CheckpointError as error:
            refusals.append(str(error))
    assert len(refusals) > 30
    assert all(len(message.splitlines()) == 1 for message in refusals)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert refusal(tmp_path / "nothing").startswith("FOLDER is not a model folder")


@pytest.mark.parametrize("damage", [removed("README"), removed(WEIGHTS)])
def test_the_verbosity_of_transformers_is_left_alone(
    damage: Damage, folders: dict[str, Path], tmp_path: Path
) -> None:
    before = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_info()  # type: ignore[no-untyped-call]
    folder = damaged(folders["plain"], tmp_path / "model", written("README", b""))
    damage(folder)
    with suppress(CheckpointError):
        load_model(folder)
    after = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity(before)
    assert after == logging.INFO
