import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, load_file, save

from fineprune.errors import CheckpointError, WritingError
from fineprune.packing import pack, read_packed, unpack
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


def write_weights(folder: Path, dtype: str, content: bytes, shape: list[int]) -> None:
    entry = {"dtype": dtype, "shape": shape, "data_offsets": [0, len(content)]}
    header = json.dumps({"a": entry}).encode()
    data = struct.pack("<Q", len(header)) + header + content
    (folder / "model.safetensors").write_bytes(data)


def test_a_type_that_numpy_does_not_have(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "plain", tiny_tensors())
    write_weights(folder, "F8_E4M3", bytes(4), [4])
    refused(folder, "save it as float32")


@pytest.mark.parametrize("shape", [(2, 3), (6,), ()])
def test_bfloat16_is_read_as_the_upper_half_of_float32(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    folder = write_folder(tmp_path / "plain", tiny_tensors())
    numbers = [1.5, -2.25, 0.0, 2.0**120, -(2.0**-120), 1 + 2**-7][: int(np.prod(shape))]
    halves = [struct.pack(">f", number)[1::-1] for number in numbers]  # exact: 8 bits are enough
    write_weights(folder, "BF16", b"".join(halves), list(shape))
    pack(folder, tmp_path / "file", bits=32)
    array = read_packed(tmp_path / "file").tensors["a"].to_array()
    np.testing.assert_array_equal(array, np.array(numbers, np.float32).reshape(shape))


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_floats_are_read_as_float32(tmp_path: Path, dtype: type) -> None:
    tensors: dict[str, np.ndarray] = {LAYER: tiny_tensors()[LAYER].astype(dtype)}
    report = pack(write_folder(tmp_path / "plain", tensors), tmp_path / "file", bits=32)
    assert report.tensors[0].squared_error == 0
    assert report.source_bytes == 4 * tensors[LAYER].size


def test_no_folder_for_the_file(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "plain", tiny_tensors())
    with pytest.raises(WritingError, match="there is no folder"):
        pack(folder, tmp_path / "missing/file")


def test_a_vocabulary_goes_along_only_where_tokenizer_json_does_not_hold_it(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "plain", tiny_tensors(), vocab_txt=b"a\nb\n")
    pack(folder, tmp_path / "older")
    (folder / "tokenizer.json").write_bytes(b"{}")
    pack(folder, tmp_path / "newer")
    assert read_packed(tmp_path / "older").attachments == {"vocab.txt": b"a\nb\n"}
    assert read_packed(tmp_path / "newer").attachments == {"tokenizer.json": b"{}"}


# The tokenizer goes along, or the folder is refused.


@pytest.mark.parametrize(
    "name", ["sentencepiece.bpe.model", "spiece.model", "spm.model", "tokenizer.model", "bpe.codes"]
)
def test_a_tokenizer_that_would_be_lost(tmp_path: Path, name: str) -> None:
    folder = write_folder(tmp_path / "plain", tiny_tensors(), tokenizer__config_json=b"{}")
    (folder / name).write_bytes(b"vocabulary")
    refused(folder, f"has {name} and no tokenizer.json, .* save a fast tokenizer there: AutoTok")


def test_a_vocabulary_beside_a_fast_tokenizer_is_not_needed(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "plain", tiny_tensors(), tokenizer_json=b"{}")
    (folder / "sentencepiece.bpe.model").write_bytes(b"vocabulary")
    pack(folder, tmp_path / "file")
    assert read_packed(tmp_path / "file").attachments == {"tokenizer.json": b"{}"}


def test_a_model_without_any_tokenizer(tmp_path: Path) -> None:
    pack(write_folder(tmp_path / "plain", tiny_tensors()), tmp_path / "file")
    assert read_packed(tmp_path / "file").attachments == {}


# Back to a folder.


def test_the_config_says_the_type_that_the_weights_have(tmp_path: Path) -> None:
    tensors: dict[str, np.ndarray] = {LAYER: tiny_tensors()[LAYER].astype(np.float16)}
    inner = {"dtype": "bfloat16", "hidden_size": 4}
    config = {**CONFIG, "dtype": "float16", "torch_dtype": "bfloat16", "text_config": inner}
    folder = write_folder(tmp_path / "plain", tensors, config)
    pack(folder, tmp_path / "file")
    unpack(tmp_path / "file", tmp_path / "again")
    assert read_packed(tmp_path / "file").config == config
    assert json.loads((tmp_path / "again/config.json").read_text()) == {
        **CONFIG,
        "dtype": "float32",
        "torch_dtype": "float32",
        "text_config": {"dtype": "float32", "hidden_size": 4},
    }
    assert load_file(tmp_path / "again/model.safetensors")[LAYER].dtype == np.float32


def test_a_config_that_says_no_type_says_none_afterwards(tmp_path: Path) -> None:
    config = {**CONFIG, "dtype": None, "sizes": {"dtype": 4}}
    pack(write_folder(tmp_path / "plain", tiny_tensors(), config), tmp_path / "file")
    unpack(tmp_path / "file", tmp_path / "again")
    assert json.loads((tmp_path / "again/config.json").read_text()) == config


def test_the_weights_are_written_as_the_library_writes_them(tmp_path: Path) -> None:
    tensors = tiny_tensors() | {
        "mask": np.arange(7, dtype=np.uint8),
        "ids": np.arange(3, dtype="i4"),
    }
    pack(write_folder(tmp_path / "plain", tensors), tmp_path / "file")
    unpack(tmp_path / "file", tmp_path / "again")
    written = (tmp_path / "again/model.safetensors").read_bytes()
    assert written == save(load(written), metadata={"format": "pt"})


LITTLE_ROOM = """
import resource, sys
from fineprune import pack, unpack
from fineprune.errors import WritingError
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    {"pack": pack, "unpack": unpack}[sys.argv[1]](sys.argv[3], sys.argv[4])
except WritingError as error:
    print(error)
"""


@pytest.mark.parametrize("limit", [0, 100, 2000])
def test_where_there_is_no_room_nothing_is_left(tmp_path: Path, limit: int) -> None:
    folder = write_folder(tmp_path / "plain", tiny_tensors(), tokenizer_json=b"{}")
    pack(folder, tmp_path / "file")
    before = sorted(tmp_path.rglob("*"))
    for action, source, target in (
        ("pack", folder, tmp_path / "new"),
        ("unpack", tmp_path / "file", tmp_path / "further/new"),
    ):
        command = [sys.executable, "-c", LITTLE_ROOM, action, str(limit), str(source), str(target)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.stderr == ""
        assert done.stdout == f"{target} cannot be written: File too large; name another place\n"
        assert sorted(tmp_path.rglob("*")) == before
