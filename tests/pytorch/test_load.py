"""Any packed model runs as a model of transformers, with sparse kernels under its linear layers."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from transformers import PreTrainedModel

import fineprune
from fineprune import SparseTensor, pack, unpack
from fineprune.pruning import load_model
from fineprune.pytorch.loading import replace_linears, run_dense
from fineprune.pytorch.operators import sparse_linear
from fineprune.pytorch.sparse_linear import SparseLinear
from tests.models import ARCHITECTURES, BERT, Architecture, in_blocks, logits
from tests.packing.folders import sparse_matrix

TOLERANCE = 2e-5


def pack_pruned(architecture: Architecture, tmp_path: Path, bits: int = 8) -> Path:
    model = architecture.build()
    with torch.no_grad():
        for linear in in_blocks(model).values():
            linear.weight *= torch.rand_like(linear.weight) < 0.1
    model.save_pretrained(tmp_path / "plain")
    pack(tmp_path / "plain", tmp_path / "packed", bits=bits)
    return tmp_path / "packed"


def all_sparse(file: Path, tmp_path: Path) -> tuple[PreTrainedModel, PreTrainedModel]:
    """A model all of whose pruned layers are sparse, and the same with dense layers."""
    unpack(file, tmp_path / "unpacked")
    dense, model = (load_model(tmp_path / "unpacked") for _ in range(2))
    replace_linears(model, lambda name, weight: True)
    return model, dense


def sparse_layers(model: nn.Module) -> set[str]:
    return {name for name, one in model.named_modules() if isinstance(one, SparseLinear)}


def assert_close(found: Tensor, expected: Tensor) -> None:
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= TOLERANCE * expected.abs().max()


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda one: one.name)
def test_every_architecture(architecture: Architecture, tmp_path: Path) -> None:
    file = pack_pruned(architecture, tmp_path)
    model, dense = all_sparse(file, tmp_path)
    assert in_blocks(dense).keys() <= sparse_layers(model)
    assert_close(logits(model), logits(dense))
    assert_close(logits(fineprune.load(file)), logits(dense))


@pytest.mark.parametrize("bits", [4, 16, 32])
def test_every_kind_of_weight(bits: int, tmp_path: Path) -> None:
    model, dense = all_sparse(pack_pruned(BERT, tmp_path, bits), tmp_path)
    assert_close(logits(model), logits(dense))


def test_only_where_it_pays(tmp_path: Path) -> None:
    unpack(pack_pruned(BERT, tmp_path), tmp_path / "unpacked")
    model = load_model(tmp_path / "unpacked")
    name = "bert.encoder.layer.1.output.dense"
    replace_linears(model, lambda one, weight: one == f"{name}.weight")
    assert sparse_layers(model) == {name}
    assert not model.get_submodule(name).training


def layer(rows: int, columns: int, density: float) -> SparseLinear:
    weight = SparseTensor.of((rows, columns), sparse_matrix(rows, columns, density), None)
    return SparseLinear(weight, nn.Parameter(torch.randn(rows)))


def arguments(module: SparseLinear, x: Tensor) -> tuple[Any, ...]:
    return x, module.row_pointers, module.columns, module.values


def dense_weight(module: SparseLinear) -> Tensor:
    """The weight by its definition, one row after another."""
    weight = torch.zeros(module.out_features, module.in_features)
    for row in range(module.out_features):
        for place in range(int(module.row_pointers[row]), int(module.row_pointers[row + 1])):
            weight[row, int(module.columns[place])] = module.values[place]
    return weight


@given(
    rows=st.integers(1, 40),
    columns=st.integers(1, 40),
    density=st.sampled_from([0.0, 0.1, 1.0]),
    batch=st.lists(st.integers(1, 7), max_size=3),
)
def test_equals_a_dense_layer(rows: int, columns: int, density: float, batch: list[int]) -> None:
    module = layer(rows, columns, density)
    x = torch.randn(*batch, columns)
    expected = nn.functional.linear(x, dense_weight(module), module.bias)
    torch.testing.assert_close(module(x), expected, rtol=1e-4, atol=1e-4)


def test_many_tokens_on_several_threads() -> None:
    module, x, threads = layer(24, 48, 0.2), torch.randn(3, 211, 48), torch.get_num_threads()
    alone = module(x)
    torch.set_num_threads(3)
    try:
        torch.testing.assert_close(module(x), alone)
    finally:
        torch.set_num_threads(threads)


def test_the_operator_keeps_the_rules() -> None:
    torch.library.opcheck(
        sparse_linear,
        arguments(layer(6, 10, 0.3), torch.randn(2, 3, 10)),
        test_utils=("test_schema", "test_faketensor", "test_aot_dispatch_dynamic"),
    )


def test_changed_weights_are_seen() -> None:
    module, x = layer(6, 10, 0.5), torch.randn(4, 10)
    before = sparse_linear(*arguments(module, x))
    module.values *= 2
    torch.testing.assert_close(sparse_linear(*arguments(module, x)), 2 * before)


def test_other_types_come_back() -> None:
    module, x = layer(6, 10, 0.5), torch.randn(4, 10)
    rounded = module(x.bfloat16())
    assert rounded.dtype == torch.bfloat16
    torch.testing.assert_close(rounded.float(), module(x), rtol=0.05, atol=0.05)


def test_compile_and_export(tmp_path: Path) -> None:
    model, _ = all_sparse(pack_pruned(BERT, tmp_path), tmp_path)
    expected = logits(model)
    compiled: Any = torch.compile(model, backend="aot_eager", fullgraph=True)
    assert_close(logits(compiled), expected)
    ids = torch.randint(5, 40, (2, 7))
    with torch.inference_mode():
        plain = model(input_ids=ids).logits
    exported = torch.export.export(model, (), {"input_ids": ids}, strict=False)
    assert "fineprune.sparse_linear" in str(exported.graph)
    torch.export.save(exported, tmp_path / "model.pt2")
    again: Any = torch.export.load(tmp_path / "model.pt2").module()
    assert_close(again(input_ids=ids).logits, plain)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"nothing")
    with pytest.raises(fineprune.FinepruneError):
        fineprune.load(tmp_path / "file")


def test_print_tells_what_is_sparse() -> None:
    module = layer(6, 10, 1.0)
    assert repr(module) == "SparseLinear(in_features=10, out_features=6, 60 kept)"


def test_other_types_and_devices_of_the_layer() -> None:
    module, x = layer(6, 10, 0.5), torch.randn(4, 10)
    expected = module(x)
    half = copy.deepcopy(module).half()
    assert half.values.dtype == torch.float32
    torch.testing.assert_close(half(x.half()).float(), expected, rtol=0.01, atol=0.01)
    assert copy.deepcopy(module).to("meta").weight is None
    # What it becomes on a device without kernels for zeros.
    dense = copy.deepcopy(module)
    dense.weight = dense_weight(module)
    torch.testing.assert_close(dense(x), expected)
    assert dense.to("cpu").weight is None
    assert set(dense.state_dict()) == set(module.state_dict())


def test_back_to_layers_of_pytorch(tmp_path: Path) -> None:
    model, dense = all_sparse(pack_pruned(BERT, tmp_path), tmp_path)
    run_dense(model)
    assert not sparse_layers(model)
    for (name, found), (other, expected) in zip(
        model.state_dict().items(), dense.state_dict().items(), strict=True
    ):
        assert name == other
        assert torch.equal(found, expected), name
