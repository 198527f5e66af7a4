"""unpack(pack(x)) is quantize(x), to the bit."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import load_file

from fineprune.errors import CheckpointError, FileTakenError, FolderTakenError
from fineprune.packing import DenseTensor, SparseTensor, pack, read_packed, unpack
from fineprune.packing.errors import PrecisionError
from fineprune.packing.header import Cursor, Header
from fineprune.packing.packer import lay_out
from fineprune.packing.quantize import to_tensor
from fineprune.packing.reader import read_record
from fineprune.packing.tables import fit, share_tables
from fineprune.packing.tensors import Tensor
from tests.packing.folders import (
    CONFIG,
    EMBEDDING,
    LAYER,
    TOKENIZER,
    sparse_matrix,
    tiny_tensors,
    write_folder,
)

ALL_BITS = (*range(2, 9), 16, 32)


def through_a_record(array: NDArray[Any], bits: int) -> Tensor:
    """A tensor written as a record of its own, and read again."""
    _, plan = lay_out(to_tensor(array, bits))
    families = [plan.longest_gaps.get(each, 0) for each in range(plan.references)]
    histograms, references = share_tables(plan.histograms(), families)
    tables = [fit(histogram) for histogram in histograms]
    cursor = Cursor(memoryview(plan.record(references, tables)))
    return read_record(Header.read(cursor), cursor).decode(tables)


def assert_same(array: NDArray[Any], expected: NDArray[Any]) -> None:
    assert array.dtype == expected.dtype
    assert array.shape == expected.shape
    assert array.tobytes() == expected.tobytes()


@st.composite
def arrays(draw: st.DrawFn) -> NDArray[np.float32]:
    shape = draw(npst.array_shapes(min_dims=0, max_dims=4, max_side=9))
    values = st.floats(-(2.0**60), 2.0**60, width=32)
    array = draw(npst.arrays(np.float32, shape, elements=values))
    keep = draw(npst.arrays(np.bool_, shape, fill=st.just(False)))
    return np.where(keep, array, np.float32(0)) if draw(st.booleans()) else array


@given(arrays(), st.sampled_from(ALL_BITS))
def test_any_array_comes_back_as_it_was_quantized(array: NDArray[np.float32], bits: int) -> None:
    expected = to_tensor(array, bits).to_array()
    assert_same(through_a_record(array, bits).to_array(), expected)


@given(
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.floats(0, 1),
    st.booleans(),
    st.integers(0, 99),
    st.sampled_from(ALL_BITS),
)
def test_matrices_of_all_densities(
    shape: tuple[int, int], density: float, uneven: bool, seed: int, bits: int
) -> None:
    array = sparse_matrix(*shape, density, seed, uneven=uneven)
    assert_same(through_a_record(array, bits).to_array(), to_tensor(array, bits).to_array())


@pytest.mark.parametrize("bits", ALL_BITS)
@pytest.mark.parametrize("uneven", [False, True])
def test_matrices_of_many_blocks_and_chunks(bits: int, uneven: bool) -> None:
    sparse = sparse_matrix(300, 500, 0.06, uneven=uneven)
    dense = sparse_matrix(500, 300, 0.9)
    dense *= np.exp(np.random.default_rng(1).standard_normal((500, 1)) / 3).astype(np.float32)
    for array, layout in ((sparse, SparseTensor), (dense, DenseTensor)):
        tensor = through_a_record(array, bits)
        assert isinstance(tensor, layout)
        assert_same(tensor.to_array(), to_tensor(array, bits).to_array())


def test_columns_past_16_bits() -> None:
    array = sparse_matrix(2, 70_000, 0.01)
    tensor = through_a_record(array, 8)
    assert isinstance(tensor, SparseTensor)
    assert tensor.columns.dtype == np.uint32
    assert_same(tensor.to_array(), to_tensor(array, 8).to_array())


def test_sparse_rows_are_in_order() -> None:
    tensor = through_a_record(sparse_matrix(40, 60, 0.1, uneven=True), 8)
    assert isinstance(tensor, SparseTensor)
    assert tensor.columns.dtype == np.uint16
    assert tensor.row_pointers[0] == 0
    assert tensor.row_pointers[-1] == tensor.kept == len(tensor.columns)
    for start, end in zip(tensor.row_pointers, tensor.row_pointers[1:], strict=False):
        assert (np.diff(tensor.columns[start:end].astype(int)) > 0).all()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(
        tmp_path / "plain",
        tiny_tensors(),
        tokenizer_json=TOKENIZER,
        metrics_json=b"{}",
        recipe_yaml=b"task: x",
        training_args_bin=b"pickle",
    )


BITS_OF = {  # with bits=3, embedding_bits=5
    EMBEDDING: 5,
    "head.decoder.weight": 5,  # tied
    "embeddings.LayerNorm.bias": 16,
    "head.scale": 16,
}


def test_a_folder_comes_back_as_it_was_quantized(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "file", bits=3, embedding_bits=5)
    unpack(tmp_path / "file", tmp_path / "again")

    tensors = load_file(tmp_path / "again/model.safetensors")
    assert tensors.keys() == tiny_tensors().keys()
    for name, array in tiny_tensors().items():
        assert_same(tensors[name], to_tensor(array, BITS_OF.get(name, 3)).to_array())
    assert json.loads((tmp_path / "again/config.json").read_text()) == CONFIG
    assert (tmp_path / "again/tokenizer.json").read_bytes() == TOKENIZER
    assert sorted(path.name for path in (tmp_path / "again").iterdir()) == [
        "config.json",
        "metrics.json",
        "model.safetensors",
        "recipe.yaml",
        "tokenizer.json",
    ]


def test_packing_what_was_unpacked_changes_nothing(folder: Path, tmp_path: Path) -> None:
    for name, source in (("first", folder), ("second", tmp_path / "again")):
        pack(source, tmp_path / name, bits=32, embedding_bits=32)
        if name == "first":
            unpack(tmp_path / name, tmp_path / "again")
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_equal_models_give_equal_files(folder: Path, tmp_path: Path) -> None:
    shuffled = write_folder(tmp_path / "other", dict(reversed(tiny_tensors().items())))
    for name in ("tokenizer.json", "metrics.json", "recipe.yaml"):
        (shuffled / name).write_bytes((folder / name).read_bytes())
    pack(folder, tmp_path / "first")
    pack(folder, tmp_path / "second")
    pack(shuffled, tmp_path / "third")
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
    assert (tmp_path / "first").read_bytes() == (tmp_path / "third").read_bytes()


def test_tied_weights_are_stored_once(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "file")
    with safe_open(tmp_path / "file", framework="numpy") as library:
        names = set(library.keys())
    assert f"tensor:{EMBEDDING}" in names
    assert "tensor:head.decoder.weight" not in names
    tensors = read_packed(tmp_path / "file").tensors
    assert tensors["head.decoder.weight"] is tensors[EMBEDDING]


def test_the_file_says_where_it_comes_from(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "file", bits=4, provenance={"base": "MiniLM"})
    model = read_packed(tmp_path / "file")
    assert model.provenance["base"] == "MiniLM"
    assert model.provenance["bits"] == 4
    in_layers = [tensor for name, tensor in model.tensors.items() if ".layer." in name]
    assert model.provenance["kept"] == sum(tensor.kept for tensor in in_layers)
    assert model.provenance["density"] == pytest.approx(
        model.provenance["kept"] / sum(np.prod(tensor.shape) for tensor in in_layers)
    )
    assert model.config["id2label"] == {"0": "no", "1": "ja"}
    assert model.attachments["recipe.yaml"] == b"task: x"


def test_the_report_counts_what_happened(folder: Path, tmp_path: Path) -> None:
    report = pack(folder, tmp_path / "file", bits=3)
    by_name = {tensor.name: tensor for tensor in report.tensors}
    before, after = tiny_tensors()[LAYER], to_tensor(tiny_tensors()[LAYER], 3).to_array()
    layer = by_name[LAYER]
    assert layer.sparse
    assert layer.kept == np.count_nonzero(after)
    assert layer.rounded_to_zero == np.count_nonzero(before) - np.count_nonzero(after) > 0
    assert layer.squared_error == pytest.approx(((after - before) ** 2).sum(), rel=1e-5)
    assert report.rounded_to_zero >= layer.rounded_to_zero
    assert report.file_bytes == (tmp_path / "file").stat().st_size
    assert "head.decoder.weight" not in by_name
    assert 0 < report.relative_error < 1


def test_a_sharded_model(tmp_path: Path) -> None:
    tensors = tiny_tensors()
    whole = write_folder(tmp_path / "whole", tensors)
    sharded = write_folder(tmp_path / "sharded", {LAYER: tensors.pop(LAYER)})
    (sharded / "model.safetensors").rename(sharded / "model-1.safetensors")
    write_folder(sharded, tensors)
    (sharded / "model.safetensors").rename(sharded / "model-2.safetensors")
    places = dict.fromkeys(tensors, "model-2.safetensors") | {LAYER: "model-1.safetensors"}
    index = json.dumps({"weight_map": places})
    (sharded / "model.safetensors.index.json").write_text(index)
    pack(whole, tmp_path / "first")
    pack(sharded, tmp_path / "second")
    first, second = (read_packed(tmp_path / name).tensors for name in ("first", "second"))
    for name, tensor in first.items():
        assert_same(second[name].to_array(), tensor.to_array())


@pytest.mark.parametrize("bits", [-1, 0, 1, 9, 15, 64])
def test_bits_that_nothing_is_stored_with(folder: Path, tmp_path: Path, bits: int) -> None:
    with pytest.raises(PrecisionError, match=f"embedding_bits is {bits}"):
        pack(folder, tmp_path / "file", embedding_bits=bits)


def test_no_folder_is_overwritten(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "file")
    with pytest.raises(FolderTakenError, match="is not empty"):
        unpack(tmp_path / "file", folder)
    with pytest.raises(FileTakenError, match="is a folder; name a file"):
        pack(folder, folder)
    (tmp_path / "empty").mkdir()
    unpack(tmp_path / "file", tmp_path / "empty")
    assert (tmp_path / "empty/config.json").is_file()


def test_weights_are_not_replaced_by_what_they_are_packed_to(folder: Path, tmp_path: Path) -> None:
    weights = (folder / "model.safetensors").read_bytes()
    (tmp_path / "link").symlink_to(folder / "model.safetensors")
    for file in (folder / "model.safetensors", tmp_path / "link"):
        with pytest.raises(CheckpointError, match="name another file"):
            pack(folder, file)
    assert (folder / "model.safetensors").read_bytes() == weights


def test_packing_again_replaces_the_file(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "file", bits=8)
    pack(folder, tmp_path / "file", bits=4)
    assert read_packed(tmp_path / "file").provenance["bits"] == 4


def test_nothing_half_written_is_left(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack(folder, tmp_path / "file")
    before = sorted(tmp_path.iterdir())

    def fail(*_: object, **__: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("fineprune.packing.reader.write_folder", fail)
    with pytest.raises(OSError, match="space"):
        unpack(tmp_path / "file", tmp_path / "target")
    monkeypatch.setattr("fineprune.packing.packer.to_parts", fail)
    with pytest.raises(OSError, match="space"):
        pack(folder, tmp_path / "second")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("shape", [(), (5,), (1, 5), (5, 1)])
def test_vectors_are_dense_even_if_they_are_zero(shape: tuple[int, ...]) -> None:
    assert isinstance(through_a_record(np.zeros(shape, np.float32), 16), DenseTensor)


@pytest.mark.parametrize("kept", [0, 1, 5, 400])
def test_matrices_that_keep_next_to_nothing(kept: int) -> None:
    array = np.zeros((400, 300), np.float32)
    cells = np.random.default_rng(kept).choice(array.size, kept, replace=False)
    array.ravel()[cells] = np.arange(1, kept + 1)
    tensor = through_a_record(array, 32)
    assert isinstance(tensor, SparseTensor)
    assert_same(tensor.to_array(), array)


@pytest.mark.parametrize("density", [0.003, 0.01])
def test_very_sparse_matrices_of_several_blocks(density: float) -> None:
    array = sparse_matrix(600, 800, density, uneven=True)
    assert 0 < np.count_nonzero(array) < array.size / 64  # so few that they are sorted
    assert_same(through_a_record(array, 8).to_array(), to_tensor(array, 8).to_array())
