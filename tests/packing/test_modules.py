"""What sentence-transformers puts beside an encoder goes along, or is refused by name."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from fineprune.errors import CheckpointError, FinepruneError, UnsupportedModelError
from fineprune.packing import pack, read_packed, unpack
from tests.packing import reference_reader
from tests.packing.folders import CONFIG, tiny_tensors, write_folder

LIBRARY = "sentence_transformers.models"
ENCODER = {"path": "", "type": f"{LIBRARY}.Transformer"}
POOLING = {"path": "1_Pooling", "type": f"{LIBRARY}.Pooling"}
DENSE = {"path": "2_Dense", "type": f"{LIBRARY}.Dense"}
DENSE_CONFIG = {
    "in_features": 8,
    "out_features": 4,
    "bias": True,
    "activation_function": "torch.nn.modules.activation.Tanh",
}
ENCODER_CONFIG = {**CONFIG, "architectures": ["BertModel"]}


def folder_of(
    tmp_path: Path,
    modules: Any,
    files: dict[str, Any] | None = None,
    config: dict[str, Any] = ENCODER_CONFIG,
) -> Path:
    folder = write_folder(tmp_path / "plain", tiny_tensors(), config)
    for name, content in {"modules.json": modules, **(files or {})}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def with_dense(tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    files = {"1_Pooling/config.json": {"pooling_mode": "mean"}, "2_Dense/config.json": DENSE_CONFIG}
    folder = folder_of(tmp_path, [ENCODER, POOLING, DENSE], files)
    draw = np.random.default_rng(0)
    tensors = {
        "linear.weight": draw.normal(size=(4, 8)).astype(np.float32),
        "linear.bias": draw.normal(size=4).astype(np.float32),
    }
    save_file(tensors, folder / "2_Dense/model.safetensors")
    return folder, tensors


def test_tensors_of_modules_have_files_of_their_own(tmp_path: Path) -> None:
    folder, tensors = with_dense(tmp_path)
    pack(folder, tmp_path / "packed", bits=32, embedding_bits=32)
    unpack(tmp_path / "packed", tmp_path / "again")
    for name in ("model.safetensors", "2_Dense/model.safetensors"):
        before, after = load_file(folder / name), load_file(tmp_path / "again" / name)
        assert before.keys() == after.keys()
        for key, array in before.items():
            np.testing.assert_array_equal(after[key], array)
    assert (tmp_path / "again/2_Dense/config.json").is_file()
    packed = read_packed(tmp_path / "packed")
    np.testing.assert_array_equal(
        packed.tensors["2_Dense/linear.weight"].to_array(), tensors["linear.weight"]
    )


def test_a_file_with_them_requires_a_reader_that_knows_them(tmp_path: Path) -> None:
    folder, _ = with_dense(tmp_path)
    pack(folder, tmp_path / "packed")
    data = (tmp_path / "packed").read_bytes()
    metadata = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    assert metadata["fineprune.version"] == "2"
    assert json.loads(metadata["fineprune.requires"]) == ["modules"]
    theirs = reference_reader.read(data)
    assert {"2_Dense/linear.weight", "2_Dense/linear.bias"} <= theirs.tensors.keys()


def test_names_of_tensors_lead_nowhere_else(tmp_path: Path) -> None:
    """A name with a path is a name like any other, unless a config lies at that path."""
    tensors = tiny_tensors()
    outside = {"../../evil/w": np.ones(2, np.float32), "/tmp/w": np.ones(3, np.float32)}
    folder = write_folder(tmp_path / "plain", tensors | outside)
    pack(folder, tmp_path / "packed", bits=32, embedding_bits=32)
    unpack(tmp_path / "packed", tmp_path / "deep/again")
    found = load_file(tmp_path / "deep/again/model.safetensors")
    assert found.keys() == tensors.keys() | outside.keys()
    files = [path for path in (tmp_path / "deep").rglob("*") if path.is_file()]
    assert {path.name for path in files} == {"config.json", "model.safetensors"}


REFUSED = [
    ([ENCODER], {}, r"names 'Transformer'; expected a Transformer, a Pooling"),
    ([POOLING], {}, "names 'Pooling'; expected a Transformer"),
    ([ENCODER, POOLING], {}, "names '1_Pooling/config.json', which is missing"),
    ([ENCODER, {**POOLING, "path": "2_Pooling"}], {}, "names '2_Pooling/config.json', which is"),
    ([ENCODER, {**POOLING, "path": "../x"}], {}, r"modules.json names '\.\./x'"),
    ([ENCODER, {**POOLING, "path": 3}], {}, "has a Pooling in 3; expected a folder"),
    ([{**ENCODER, "path": "0_T"}, POOLING], {}, "has the encoder in '0_T'; expected it beside"),
    ([ENCODER, {**POOLING, "type": f"{LIBRARY}.LSTM"}], {}, "names 'sentence_.*LSTM'; known are"),
    ([ENCODER, {**POOLING, "type": "my.Pooling"}], {}, "names 'my.Pooling'; known are"),
    ({"a": 1}, {}, "is no list of modules"),
    ("[", {}, "'modules.json' beside the model is no JSON"),
    ([ENCODER, POOLING], {"1_Pooling/config.json": []}, "is no JSON object"),
    (
        [ENCODER, POOLING],
        {"1_Pooling/config.json": {"pooling_mode": "middle"}},
        "asks for 'middle'; the engine knows 'cls'",
    ),
    (
        [ENCODER, POOLING],
        {"1_Pooling/config.json": {"include_prompt": False}},
        "include_prompt in 1_Pooling/config.json is False",
    ),
    *(
        (
            [ENCODER, POOLING, DENSE],
            {"1_Pooling/config.json": {}, "2_Dense/config.json": {**DENSE_CONFIG, **change}},
            said,
        )
        for change, said in (
            ({"activation_function": "os.system"}, "activation_function in 2_Dense/.* 'os.system'"),
            ({"use_residual": True}, "use_residual in 2_Dense/config.json is True"),
            ({"out_features": "4"}, "says no size"),
        )
    ),
]


@pytest.mark.parametrize(("modules", "files", "said"), REFUSED)
def test_what_cannot_be_repeated(
    modules: Any, files: dict[str, Any], said: str, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path, modules, files)
    with pytest.raises(UnsupportedModelError, match=said) as caught:
        pack(folder, tmp_path / "packed")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "packed").exists()


def test_weights_that_are_missing(tmp_path: Path) -> None:
    folder, _ = with_dense(tmp_path)
    (folder / "2_Dense/model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"2_Dense/model.safetensors is missing"):
        pack(folder, tmp_path / "packed")


def test_a_model_with_a_head_has_no_use_for_them(tmp_path: Path) -> None:
    config = {**CONFIG, "architectures": ["BertForSequenceClassification"]}
    pack(folder_of(tmp_path, [ENCODER], config=config), tmp_path / "packed")


@pytest.mark.parametrize("modules", [[ENCODER, {**POOLING, "type": f"{LIBRARY}.LSTM"}], "["])
def test_a_file_that_was_packed_before_is_unpacked_as_ever(modules: Any, tmp_path: Path) -> None:
    """Whatever its list of modules says, of which older versions knew nothing."""
    config = {**CONFIG, "architectures": ["BertForSequenceClassification"]}
    folder = folder_of(tmp_path, modules, config=config)
    pack(folder, tmp_path / "packed")
    try:
        unpack(tmp_path / "packed", tmp_path / "again")
    except FinepruneError as error:
        pytest.fail(str(error))
    assert (tmp_path / "again/modules.json").read_bytes() == (folder / "modules.json").read_bytes()
