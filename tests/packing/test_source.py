import struct
from pathlib import Path

import numpy as np
import pytest

from fineprune.errors import CheckpointError
from fineprune.packing import pack, read_packed
from tests.packing.folders import CONFIG, LAYER, tiny_tensors, write_folder


def refused(folder: Path, match: str) -> None:
    file = folder.parent / "file"
    with pytest.raises(CheckpointError, match=match) as caught:
        pack(folder, file)
    assert "\n" not in str(caught.value)
    assert not file.exists()


@pytest.mark.parametrize(
    "name",
    ["encoder.layer.0.query.parametrizations.weight.original", "encoder.layer.0.query.mask_scores"],
)
def test_masks_that_are_still_attached(tmp_path: Path, name: str) -> None:
    tensors = tiny_tensors()
    tensors[name] = tensors.pop(LAYER)
    refused(write_folder(tmp_path / "run", tensors), "fineprune finalize .*run")


@pytest.mark.parametrize("change", [{"pruning": {"method": "L0"}}, {"model_type": "masked_bert"}])
def test_a_config_of_a_masked_model(tmp_path: Path, change: dict[str, object]) -> None:
    folder = write_folder(tmp_path / "run", tiny_tensors(), {**CONFIG, **change})
    refused(folder, "fineprune finalize")


def test_no_folder(tmp_path: Path) -> None:
    refused(tmp_path / "missing", "missing is no folder")


def test_no_config(tmp_path: Path) -> None:
    (write_folder(tmp_path / "plain", tiny_tensors()) / "config.json").unlink()
    refused(tmp_path / "plain", "no config.json")


@pytest.mark.parametrize("text", ["{", "[]", "\x00", "[" * 100_000])
def test_a_config_that_is_none(tmp_path: Path, text: str) -> None:
    (write_folder(tmp_path / "plain", tiny_tensors()) / "config.json").write_text(text)
    refused(tmp_path / "plain", "no JSON")


def test_no_weights(tmp_path: Path) -> None:
    (write_folder(tmp_path / "plain", tiny_tensors()) / "model.safetensors").unlink()
    refused(tmp_path / "plain", r"no model.safetensors")


def test_a_shard_that_is_missing(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "plain", tiny_tensors())
    (folder / "model.safetensors").unlink()
    index = '{"weight_map": {"a": "model-1.safetensors"}}'
    (folder / "model.safetensors.index.json").write_text(index)
    refused(folder, "model-1.safetensors is missing")


@pytest.mark.parametrize("index", ["{}", '{"weight_map": []}', '{"weight_map": {"a": 1}}'])
def test_an_index_that_names_no_files(tmp_path: Path, index: str) -> None:
    folder = write_folder(tmp_path / "plain", tiny_tensors())
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(index)
    refused(folder, "no weight_map")


def test_damaged_weights(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "plain", tiny_tensors())
    (folder / "model.safetensors").write_bytes(b"rubbish" * 10)
    refused(folder, "no safetensors file")


def test_no_tensors(tmp_path: Path) -> None:
    refused(write_folder(tmp_path / "plain", {}), "no tensors")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers(tmp_path: Path, value: float) -> None:
    tensors = tiny_tensors()
    tensors[LAYER][0, 0] = value
    refused(write_folder(tmp_path / "plain", tensors), f"{LAYER} holds numbers")


def test_weights_too_large_for_32_bits(tmp_path: Path) -> None:
    tensors = tiny_tensors() | {LAYER: np.full((3, 3), 1e300)}
    refused(write_folder(tmp_path / "plain", tensors), f"{LAYER} holds numbers")


def test_a_tensor_without_values(tmp_path: Path) -> None:
    tensors = tiny_tensors() | {"empty": np.zeros((0, 3), np.float32)}
    refused(write_folder(tmp_path / "plain", tensors), "empty is empty")


def test_a_type_that_cannot_be_packed(tmp_path: Path) -> None:
    tensors = tiny_tensors() | {"mask": np.zeros(3, np.bool_)}
    refused(write_folder(tmp_path / "plain", tensors), "type bool")


def test_a_type_that_numpy_does_not_have(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "plain", tiny_tensors())
    header = b'{"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}'
    content = struct.pack("<Q", len(header)) + header + bytes(4)
    (folder / "model.safetensors").write_bytes(content)
    refused(folder, "float32")


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_floats_are_read_as_float32(tmp_path: Path, dtype: type) -> None:
    tensors: dict[str, np.ndarray] = {LAYER: tiny_tensors()[LAYER].astype(dtype)}
    report = pack(write_folder(tmp_path / "plain", tensors), tmp_path / "file", bits=32)
    assert report.tensors[0].squared_error == 0
    assert report.source_bytes == 4 * tensors[LAYER].size


def test_no_folder_for_the_file(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "plain", tiny_tensors())
    with pytest.raises(CheckpointError, match="create it first"):
        pack(folder, tmp_path / "missing/file")


def test_a_vocabulary_goes_along_only_where_tokenizer_json_does_not_hold_it(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "plain", tiny_tensors(), vocab_txt=b"a\nb\n")
    pack(folder, tmp_path / "older")
    (folder / "tokenizer.json").write_bytes(b"{}")
    pack(folder, tmp_path / "newer")
    assert read_packed(tmp_path / "older").attachments == {"vocab.txt": b"a\nb\n"}
    assert read_packed(tmp_path / "newer").attachments == {"tokenizer.json": b"{}"}
