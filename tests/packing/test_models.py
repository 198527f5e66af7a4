"""Every architecture that can be pruned is packed and comes back as a model that loads."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from fineprune.packing import SparseTensor, pack, read_packed, unpack
from fineprune.packing.quantize import Role, to_tensor
from fineprune.pruning import Magnitude, Movement, count, finalize
from tests.models import ARCHITECTURES, Architecture, in_blocks, logits, mask_at_random


@pytest.fixture(params=ARCHITECTURES, ids=[one.name for one in ARCHITECTURES])
def architecture(request: pytest.FixtureRequest) -> Architecture:
    chosen: Architecture = request.param
    return chosen


def save(architecture: Architecture, folder: Path, *, sparse: bool) -> Path:
    """A model's folder, of a finalized model or of one that was never pruned."""
    model = architecture.build()
    if sparse:
        mask_at_random(model, Magnitude(keep=0.2))
        finalize(model)
    model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("sparse", [True, False])
def test_a_model_packs_and_unpacks(
    architecture: Architecture, tmp_path: Path, *, sparse: bool
) -> None:
    folder = save(architecture, tmp_path / "plain", sparse=sparse)
    pack(folder, tmp_path / "file", bits=4)
    unpack(tmp_path / "file", tmp_path / "again")

    before = load_file(folder / "model.safetensors")
    after = load_file(tmp_path / "again/model.safetensors")
    assert before.keys() == after.keys()
    bits = {Role.VECTOR: 16, Role.LAYER: 4, Role.EMBEDDING: 8, Role.OTHER: 8}
    for name, array in before.items():
        expected = to_tensor(array, bits[Role.of(name, array.shape)]).to_array()
        assert after[name].tobytes() == expected.tobytes(), name

    model, notes = architecture.auto.from_pretrained(tmp_path / "again", output_loading_info=True)
    assert not any(notes.values())
    assert type(model) is architecture.model
    configs = [
        json.loads((one / "config.json").read_text()) for one in (folder, tmp_path / "again")
    ]
    assert configs[0] == configs[1]


def test_32_bits_change_no_answer(architecture: Architecture, tmp_path: Path) -> None:
    folder = save(architecture, tmp_path / "plain", sparse=True)
    pack(folder, tmp_path / "file", bits=32, embedding_bits=32)
    unpack(tmp_path / "file", tmp_path / "again")
    answers = [
        logits(architecture.auto.from_pretrained(one)) for one in (folder, tmp_path / "again")
    ]
    assert torch.equal(*answers)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_model_of_half_precision_comes_back_in_the_type_it_says(
    tmp_path: Path, dtype: torch.dtype
) -> None:
    architecture = ARCHITECTURES[0]
    model = architecture.build().type(dtype)
    model.save_pretrained(tmp_path / "plain")
    pack(tmp_path / "plain", tmp_path / "file", bits=32, embedding_bits=32)
    unpack(tmp_path / "file", tmp_path / "again")
    again = architecture.auto.from_pretrained(tmp_path / "again")
    assert again.dtype == again.config.dtype == torch.float32
    for name, tensor in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor.float()), name


def test_exactly_the_pruned_matrices_are_sparse(architecture: Architecture, tmp_path: Path) -> None:
    pack(save(architecture, tmp_path / "plain", sparse=True), tmp_path / "file")
    model = read_packed(tmp_path / "file")
    sparse = {name for name, each in model.tensors.items() if isinstance(each, SparseTensor)}
    assert len(sparse) == len(in_blocks(architecture.build()))  # names may differ on disk
    assert all(Role.of(name, model.tensors[name].shape) is Role.LAYER for name in sparse)
    kept = sum(tensor.kept for name, tensor in model.tensors.items() if name in sparse)
    cells = sum(np.prod(model.tensors[name].shape) for name in sparse)
    assert kept == pytest.approx(0.2 * cells, rel=0.1)


def test_the_file_says_how_many_weights_are_kept(
    architecture: Architecture, tmp_path: Path
) -> None:
    model = architecture.build()
    mask_at_random(model, Movement(keep=0.2))
    counted = count(finalize(model))
    model.save_pretrained(tmp_path / "plain")
    pack(tmp_path / "plain", tmp_path / "file", bits=32)
    provenance = read_packed(tmp_path / "file").provenance
    assert provenance["kept"] == counted.kept
    assert provenance["prunable"] == counted.prunable
    assert provenance["density"] == counted.density
