"""Embeddings of tokens that no training text holds are stored more coarsely, all else as ever."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fineprune.errors import CheckpointError
from fineprune.packing import DenseTensor, Unseen, pack, read_packed
from fineprune.packing.errors import PrecisionError
from fineprune.packing.quantize import OPTIMAL_STEPS, quantize
from tests.packing.folders import CONFIG, EMBEDDING, tiny_tensors, write_folder

TOKENS, WIDTH = 400, 48
SEEN = frozenset(range(0, TOKENS, 5))


def vocabulary() -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.random.default_rng(3).standard_normal((TOKENS, WIDTH)).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tensors = {**tiny_tensors(), EMBEDDING: vocabulary()}
    return write_folder(tmp_path / "plain", tensors, {**CONFIG, "vocab_size": TOKENS})


def embeddings(file: Path) -> DenseTensor:
    found = read_packed(file).tensors[EMBEDDING]
    assert isinstance(found, DenseTensor)
    return found


def test_unseen_rows_are_coarser_and_the_others_as_they_were(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "even", embedding_bits=5)
    pack(folder, tmp_path / "uneven", embedding_bits=5, unseen=Unseen(2, SEEN))
    even, uneven = embeddings(tmp_path / "even"), embeddings(tmp_path / "uneven")
    seen = sorted(SEEN)
    unseen = sorted(set(range(TOKENS)) - SEEN)
    np.testing.assert_array_equal(even.to_array()[seen], uneven.to_array()[seen])
    assert even.scales is not None
    assert uneven.scales is not None
    ratio = uneven.scales.per_row()[unseen] / even.scales.per_row()[unseen]
    # To the nearest eighth of an octave.
    exact = OPTIMAL_STEPS[2] / OPTIMAL_STEPS[5]
    assert (np.abs(np.log2(ratio / exact)) <= 1 / 16 + 1e-6).all()
    error = np.abs(uneven.to_array() - vocabulary())
    assert (error <= uneven.scales.per_row()[:, None] * 0.5001).all()


def test_the_file_takes_the_bytes_that_two_bits_take(folder: Path, tmp_path: Path) -> None:
    sizes = {}
    for name, bits, unseen in (
        ("fine", 5, None), ("coarse", 2, None), ("mixed", 5, Unseen(2, SEEN)),
    ):  # fmt: skip
        pack(folder, tmp_path / name, embedding_bits=bits, unseen=unseen)
        sizes[name] = (tmp_path / name).stat().st_size
    share = len(SEEN) / TOKENS
    expected = share * sizes["fine"] + (1 - share) * sizes["coarse"]
    assert sizes["mixed"] == pytest.approx(expected, rel=0.03)


def test_all_other_tensors_are_as_they_were(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "even", embedding_bits=5)
    pack(folder, tmp_path / "uneven", embedding_bits=5, unseen=Unseen(2, SEEN))
    before, after = (read_packed(tmp_path / name) for name in ("even", "uneven"))
    assert before.tensors.keys() == after.tensors.keys()
    for name in before.tensors.keys() - {EMBEDDING}:
        np.testing.assert_array_equal(
            before.tensors[name].to_array(), after.tensors[name].to_array()
        )
    assert "unseen_embedding_bits" not in before.provenance
    assert after.provenance["unseen_embedding_bits"] == 2


@given(st.integers(2, 8), st.integers(0, 20), st.data())
def test_a_row_never_takes_a_finer_scale_than_it_has_to(
    bits: int, least: int, data: st.DataObject
) -> None:
    matrix = vocabulary()[:16]
    outlier = data.draw(st.integers(0, 15))
    matrix[outlier, 0] = 1000
    exponents = np.full(16, least, np.uint8)
    codes, scales = quantize(matrix, bits, exponents)
    plain, free = quantize(matrix, bits)
    assert (scales.exponents == np.maximum(free.exponents, exponents)).all()
    if least == 0:
        np.testing.assert_array_equal(codes, plain)


@pytest.mark.parametrize("bits", [1, 9, 16, 32])
def test_bits_that_there_are_not(bits: int) -> None:
    with pytest.raises(PrecisionError, match=f"unseen_embedding_bits is {bits}; it must be 2 to 8"):
        Unseen(bits, SEEN)


@pytest.mark.parametrize("embedding_bits", [2, 3, 16, 32])
def test_the_others_have_to_be_finer(embedding_bits: int, folder: Path, tmp_path: Path) -> None:
    said = "unseen_embedding_bits is 3; it must be less than embedding_b"
    with pytest.raises(PrecisionError, match=said):
        pack(folder, tmp_path / "file", embedding_bits=embedding_bits, unseen=Unseen(3, SEEN))
    assert not (tmp_path / "file").exists()


def test_a_model_without_such_embeddings(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "plain", tiny_tensors(), {**CONFIG, "vocab_size": 13})
    with pytest.raises(CheckpointError, match="has no embeddings of 13 tokens"):
        pack(folder, tmp_path / "file", embedding_bits=4, unseen=Unseen(2, SEEN))
    assert not (tmp_path / "file").exists()
