"""Packed files on the command line: written, read, evaluated and counted, or refused."""

import json
import os
import shutil
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file

from fineprune.packing import Unseen, pack, pack_folder, read_packed, unpack
from fineprune.pruning import Movement, finalize
from tests.cli.conftest import Command, assert_one_line, names, one_object, write
from tests.models import mask_at_random
from tests.packing.crafting import changed
from tests.workspace import LABELS, VALIDATION_EXAMPLES, Workspace, make_model, make_tokenizer

QUERY = "bert.encoder.layer.0.attention.self.query.weight"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model as `masked`, as `plain`, and as `packed` with 8 bits."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(4)
    model = make_model()
    for parameter in model.parameters():  # so that no two are equal, and stored once
        torch.nn.init.normal_(parameter, std=0.3)
    mask_at_random(model, Movement(keep=0.3))
    model.save_pretrained(folder / "masked")
    finalize(model).save_pretrained(folder / "plain")
    make_tokenizer().save_pretrained(folder / "plain")
    pack(folder / "plain", folder / "packed")
    return folder


def weights(folder: Path) -> dict[str, NDArray[np.float32]]:
    return load_file(folder / "model.safetensors")


# What is right.


def test_pack_reports_what_it_did(fineprune: Command, models: Path, tmp_path: Path) -> None:
    file = tmp_path / "packed"
    packed = fineprune("pack", models / "plain", file, "--bits", 3, "--embedding-bits", 5, "--json")
    assert (packed.code, packed.err) == (0, "")
    unpack(file, tmp_path / "again")
    before, after = weights(models / "plain"), weights(tmp_path / "again")
    one, other = (
        np.concatenate([each[name].ravel() for name in before]) for each in (before, after)
    )
    report = one_object(packed.out)
    assert report["file_bytes"] == file.stat().st_size
    assert report["source_bytes"] == one.nbytes
    assert report["rounded_to_zero"] == np.count_nonzero(one) - np.count_nonzero(other) > 0
    error = np.linalg.norm(other - one) / np.linalg.norm(one)
    assert report["relative_error"] == pytest.approx(error, rel=1e-5)
    assert names(tmp_path) == {"packed", "again"}


def test_pack_tells_people(fineprune: Command, models: Path, tmp_path: Path) -> None:
    packed = fineprune("pack", models / "plain", tmp_path / "packed")
    assert (packed.code, packed.err) == (0, "")
    assert f"{(tmp_path / 'packed').stat().st_size:,} bytes" in packed.out


@pytest.mark.parametrize(("bits", "embedding_bits"), [(8, 8), (4, 8), (2, 3), (16, 32)])
def test_options_are_those_of_the_function(
    bits: int, embedding_bits: int, fineprune: Command, models: Path, tmp_path: Path
) -> None:
    options = ["--bits", bits, "--embedding-bits", embedding_bits]
    assert fineprune("pack", models / "plain", tmp_path / "file", *options).code == 0
    pack(models / "plain", tmp_path / "other", bits=bits, embedding_bits=embedding_bits)
    assert (tmp_path / "file").read_bytes() == (tmp_path / "other").read_bytes()


def test_tokens_that_no_training_text_holds_are_stored_coarsely(
    fineprune: Command, models: Path, workspace: Workspace, tmp_path: Path
) -> None:
    plain = shutil.copytree(models / "plain", tmp_path / "plain")
    train = tmp_path / "train.tsv"
    rows = ["sentence\tlabel", "w1 w2\tfirst", "w2 w7\tsecond", "w1\tthird"]
    train.write_text("\n".join(rows), encoding="utf-8")
    data = {"train": str(train), "validation": str(train), "text": "sentence", "label": "label"}
    recipe = workspace.recipe()
    recipe["task"] |= data
    write(recipe, plain)
    options = ["--embedding-bits", 6, "--unseen-embedding-bits", 2]
    assert fineprune("pack", plain, tmp_path / "file", *options).code == 0
    tokens = make_tokenizer()
    seen = {*tokens("w1 w2 w7")["input_ids"]}
    pack(plain, tmp_path / "other", embedding_bits=6, unseen=Unseen(2, seen))
    assert (tmp_path / "file").read_bytes() == (tmp_path / "other").read_bytes()


def test_which_tokens_were_seen_is_not_guessed(
    fineprune: Command, models: Path, tmp_path: Path
) -> None:
    options = [models / "plain", tmp_path / "file", "--unseen-embedding-bits", 2]
    assert_one_line(fineprune, "pack", *options, said="plain holds no recipe.yaml")
    assert not (tmp_path / "file").exists()


def test_unpack_writes_a_plain_folder(fineprune: Command, models: Path, tmp_path: Path) -> None:
    target = tmp_path / "new" / "again"
    unpacked = fineprune("unpack", models / "packed", target)
    assert (unpacked.code, unpacked.err) == (0, "")
    assert names(target) == names(models / "plain")
    assert names(target.parent) == {"again"}
    config = json.loads((target / "config.json").read_text(encoding="utf-8"))
    assert list(config["id2label"].values()) == list(LABELS)
    tensors = read_packed(models / "packed").tensors
    for name, array in weights(target).items():
        np.testing.assert_array_equal(array, tensors[name].to_array())


def test_a_packed_file_is_evaluated_as_what_it_unpacks_to(
    fineprune: Command, models: Path, workspace: Workspace, tmp_path: Path
) -> None:
    recipe, file = write(workspace.recipe(), tmp_path), tmp_path / "packed"
    pack(models / "plain", file, bits=2)
    unpack(file, tmp_path / "unpacked")

    def evaluated(model: Path) -> tuple[object, object]:
        answers = tmp_path / "answers.json"
        found = fineprune("evaluate", model, recipe, "--predictions", answers, "--json")
        assert (found.code, found.err) == (0, "")
        return one_object(found.out), json.loads(answers.read_text(encoding="utf-8"))

    result, answers = evaluated(file)
    assert (result, answers) == evaluated(tmp_path / "unpacked")
    assert isinstance(result, dict)
    assert result["examples"] == VALIDATION_EXAMPLES
    assert answers != evaluated(models / "plain")[1], "two bits change the answers"


def test_a_packed_file_is_counted(fineprune: Command, models: Path, tmp_path: Path) -> None:
    pack(models / "plain", tmp_path / "packed", bits=2)
    unpack(tmp_path / "packed", tmp_path / "unpacked")
    counted = one_object(fineprune("count", tmp_path / "packed", "--json").out)
    arrays = weights(tmp_path / "unpacked")
    for name, matrix in counted["matrices"].items():
        assert matrix["kept"] == np.count_nonzero(arrays[name])
        assert matrix["total"] == arrays[name].size
    assert counted["density"] < 0.25, "two bits round many of the 30% to zero"
    provenance = read_packed(tmp_path / "packed").provenance
    assert provenance["kept"] == counted["kept"]
    assert provenance["prunable"] == counted["prunable"]
    assert provenance["density"] == pytest.approx(counted["density"])


# A packed folder is read as the file in it.


@pytest.fixture(scope="module")
def folder(models: Path) -> Path:
    pack_folder(models / "plain", models / "packed-folder")
    return models / "packed-folder"


def test_pack_writes_a_folder(fineprune: Command, models: Path, tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder"
    packed = fineprune("pack", models / "plain", target, "--folder", "--bits", 4, "--json")
    assert (packed.code, packed.err) == (0, "")
    written = {"README.md", "model.fineprune.safetensors"}
    assert names(target) == written | names(models / "plain") - {"model.safetensors"}
    card = (target / "README.md").read_text("utf-8")
    assert "# folder" in card.splitlines()
    pack(models / "plain", tmp_path / "file", bits=4)
    file = target / "model.fineprune.safetensors"
    assert file.read_bytes() == (tmp_path / "file").read_bytes()
    assert one_object(packed.out)["file_bytes"] == file.stat().st_size
    plain, config = (
        json.loads((one / "config.json").read_text("utf-8")) for one in (models / "plain", target)
    )
    added = {key: config[key] for key in config.keys() - plain.keys()}
    assert added.pop("quantization_config") == {"quant_method": "fineprune"}
    assert not (target / added.pop("transformers_weights")).exists()
    assert config == plain | {key: config[key] for key in config.keys() - plain.keys()}


def test_what_else_lies_in_a_folder(models: Path, tmp_path: Path) -> None:
    def add(folder: Path) -> None:
        assert folder != tmp_path / "folder", "it appears whole"
        (folder / "README.md").write_text("a card", encoding="utf-8")

    pack_folder(models / "plain", tmp_path / "folder", add=add)
    assert (tmp_path / "folder/README.md").read_text(encoding="utf-8") == "a card"


def test_every_command_takes_a_folder(
    fineprune: Command, folder: Path, models: Path, workspace: Workspace, tmp_path: Path
) -> None:
    recipe = write(workspace.recipe(), tmp_path)
    for command, *arguments in (
        ["count", "--json"],
        ["evaluate", recipe, "--json"],
        ["evaluate", recipe, "--engine", "--json"],
        ["predict", "w1 w2", "w3", "--threads", 1, "--json"],
    ):
        found, expected = (
            fineprune(command, model, *arguments) for model in (folder, models / "packed")
        )
        assert (found.code, found.err) == (0, ""), command
        assert one_object(found.out) == one_object(expected.out), command
    bench = ("--shapes", "1x4", "--against", "", "--threads", 1, "--rounds", 1, "--json")
    assert fineprune("bench", folder, *bench).code == 0
    assert fineprune("unpack", folder, tmp_path / "again").code == 0
    assert names(tmp_path / "again") == names(models / "plain")


def test_where_a_folder_must_be_a_plain_one(
    fineprune: Command, folder: Path, workspace: Workspace, tmp_path: Path
) -> None:
    said = f"{folder} is a packed folder; write it as a plain one first: `fineprune unpack"
    recipe = write(workspace.recipe() | {"model": str(folder)}, tmp_path)
    for command in (
        ["finalize", folder, tmp_path / "target"],
        ["pack", folder, tmp_path / "target"],
        ["train", recipe, "--output", tmp_path / "target"],
    ):
        assert_one_line(fineprune, *command, said=said)
    assert names(tmp_path) == {recipe.name}


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("plain", "plain is not empty; name a new folder"),
        ("packed", "packed is a file; name a new"),
    ],
)
def test_a_folder_that_is_taken(
    target: str, said: str, fineprune: Command, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(models)
    before = {path: path.stat().st_mtime_ns for path in models.rglob("*")}
    assert_one_line(fineprune, "pack", "plain", target, "--folder", said=said)
    assert_one_line(fineprune, "pack", "masked", "new", "--folder", said="is not finalized")
    assert {path: path.stat().st_mtime_ns for path in models.rglob("*")} == before


# What is wrong is told on one line, and nothing is left behind.


@pytest.fixture
def nothing_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Checks that the test's folder, temporary files among it, is as it was."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.chdir(tmp_path)

    def content() -> dict[Path, bytes | None]:
        return {p: p.read_bytes() if p.is_file() else None for p in tmp_path.rglob("*")}

    before: list[dict[Path, bytes | None]] = []

    def check() -> None:
        before.append(content())
        assert before[-1] == before[0]

    return check


@pytest.mark.parametrize(
    ("source", "target", "options", "said"),
    [
        ("nowhere", "file", [], "nowhere is no folder; expected a finalized model's folder"),
        ("packed", "file", [], "packed is no folder"),
        ("masked", "file", [], "is not finalized: its masks are still attached; run `fineprune"),
        (".", "file", [], "has no config.json"),
        ("plain", "nowhere/file", [], "there is no folder"),
        ("plain", ".", [], ". is a folder; name a file"),
        ("plain", "plain", [], "plain is a folder; name a file"),
        ("plain", os.devnull, [], f"{os.devnull} is no regular file; name a file"),
        ("plain", "plain/model.safetensors", [], "the weights that are to be packed"),
        ("plain", "file", ["--bits", 1], "bits is 1; it must be 2 to 8, 16 or 32"),
        ("plain", "file", ["--bits", 9], "bits is 9; it must be 2 to 8, 16 or 32"),
        ("plain", "file", ["--embedding-bits", 64], "embedding_bits is 64; it must be"),
        ("plain", "file", ["--bits", "many"], "Invalid value for '--bits'"),
    ],
)
def test_what_cannot_be_packed(
    source: str,
    target: str,
    options: list[object],
    said: str,
    fineprune: Command,
    models: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(models)
    before = {path: path.stat().st_mtime_ns for path in models.rglob("*")}
    assert_one_line(fineprune, "pack", source, target, *options, said=said)
    assert {path: path.stat().st_mtime_ns for path in models.rglob("*")} == before


def newer(data: bytes) -> bytes:
    keys = {"format": "pt", "fineprune.version": "3"}
    return changed(data, lambda _, metadata: metadata.update(keys))


def demanding(data: bytes) -> bytes:
    keys = {"format": "pt", "fineprune.version": "2", "fineprune.requires": '["shared-codes"]'}
    return changed(data, lambda _, metadata: metadata.update(keys))


def flipped(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", "a file of 0 bytes is no packed model"),
    "cut in the header": (lambda data: data[:100], "the header takes"),
    "cut in the data": (lambda data: data[:-5], "bytes of data"),
    "flipped bit": (flipped, "the checksum differs"),
    "rubbish": (lambda _: b"neither packed nor a model", "the file is no packed model"),
    "terabytes": (lambda data: struct.pack("<Q", 1 << 42) + data[8:], "4,398,046,511,104"),
    "newer version": (newer, "version '3' of the format, this reader knows 1 and 2: upgrade"),
    "unknown feature": (demanding, "requires 'shared-codes', which this reader does not know: up"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_cannot_be_read(
    damage: str,
    fineprune: Command,
    models: Path,
    workspace: Workspace,
    tmp_path: Path,
    nothing_new: Callable[[], None],
) -> None:
    inflict, said = DAMAGE[damage]
    recipe = write(workspace.recipe(), tmp_path)
    (tmp_path / "bad").write_bytes(inflict((models / "packed").read_bytes()))
    nothing_new()
    for command, *arguments in (["unpack", "target"], ["evaluate", recipe], ["count"]):
        assert_one_line(fineprune, command, "bad", *arguments, said="bad: ")
        assert_one_line(fineprune, command, "bad", *arguments, said=said)
        nothing_new()


def test_weights_that_are_not_packed(
    fineprune: Command, models: Path, workspace: Workspace, tmp_path: Path
) -> None:
    recipe, file = write(workspace.recipe(), tmp_path), models / "plain" / "model.safetensors"
    said = f"{file}: a safetensors file, but no packed model: pack its folder first"
    for command, *arguments in (["unpack", tmp_path / "target"], ["evaluate", recipe], ["count"]):
        assert_one_line(fineprune, command, file, *arguments, said=said)
    assert names(tmp_path) == {recipe.name}


def test_a_file_that_is_not_there(fineprune: Command, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    assert_one_line(fineprune, "unpack", missing, tmp_path / "target", said=f"{missing} is no file")
    assert_one_line(fineprune, "count", missing, said=f"{missing} is not a model folder")
    assert names(tmp_path) == set()


def test_a_target_that_is_taken(
    fineprune: Command, models: Path, tmp_path: Path, nothing_new: Callable[[], None]
) -> None:
    (tmp_path / "file").write_text("content", encoding="utf-8")
    nothing_new()
    for target, said in ((tmp_path, "is not empty"), (tmp_path / "file", "is a file")):
        assert_one_line(fineprune, "unpack", models / "packed", target, said=f"{target} {said}")
        nothing_new()


def test_a_packed_file_has_no_masks(
    fineprune: Command, models: Path, tmp_path: Path, nothing_new: Callable[[], None]
) -> None:
    file = models / "packed"
    nothing_new()
    assert_one_line(fineprune, "finalize", file, "target", said=f"{file} is not a model folder")
    assert_one_line(
        fineprune, "count", file, "--threshold", 0.1, said=f"{file} was not written by the original"
    )
    nothing_new()


def test_a_packed_file_of_another_task(
    fineprune: Command, models: Path, workspace: Workspace, tmp_path: Path
) -> None:
    recipe, file = write(workspace.recipe("regression"), tmp_path), models / "packed"
    assert_one_line(fineprune, "evaluate", file, recipe, said=f"the model '{file}' has 3 outputs")
