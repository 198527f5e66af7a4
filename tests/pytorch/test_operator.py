"""The operator in inference mode, after changes of its tensors, and in processes that fork."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import fineprune
from fineprune import SparseTensor
from fineprune.pytorch import operators
from fineprune.pytorch.operators import sparse_linear
from fineprune.pytorch.sparse_linear import SparseLinear
from tests.forking import in_child, needs_fork
from tests.models import BERT, logits
from tests.packing.folders import sparse_matrix
from tests.pytorch.test_load import pack_pruned


def layer(rows: int = 24, columns: int = 48) -> SparseLinear:
    weight = SparseTensor.of((rows, columns), sparse_matrix(rows, columns, 0.2), None)
    return SparseLinear(weight, nn.Parameter(torch.randn(rows)))


def product(module: SparseLinear, x: Tensor) -> Tensor:
    found: Tensor = sparse_linear(x, module.row_pointers, module.columns, module.values)
    return found


def by_definition(module: SparseLinear, x: Tensor) -> Tensor:
    counts = module.row_pointers.diff()
    weight = torch.zeros(module.out_features, module.in_features)
    rows = torch.repeat_interleave(torch.arange(module.out_features), counts)
    weight[rows, module.columns.long()] = module.values
    return x @ weight.T


# Inference mode.


def test_a_model_loaded_in_inference_mode(tmp_path: Path) -> None:
    file = pack_pruned(BERT, tmp_path)
    expected = logits(fineprune.load(file))
    with torch.inference_mode():
        model = fineprune.load(file)
        torch.testing.assert_close(logits(model), expected)
    torch.testing.assert_close(logits(model), expected)
    assert not any(tensor.is_inference() for tensor in model.state_dict().values())


def test_tensors_of_inference_mode() -> None:
    """PyTorch does not count their changes."""
    x = torch.randn(3, 48)
    with torch.inference_mode():
        module = layer()
        assert module.values.is_inference()
        torch.testing.assert_close(product(module, x), by_definition(module, x))
        module.values *= 2
        torch.testing.assert_close(product(module, x), by_definition(module, x))
        module.columns.copy_(47 - module.columns)
        torch.testing.assert_close(product(module, x), by_definition(module, x))


# Changes.


def in_place(module: SparseLinear) -> None:
    module.values *= 2


def by_data(module: SparseLinear) -> None:
    module.values.data.mul_(2)


def by_numpy(module: SparseLinear) -> None:
    module.values.numpy()[3] += 1


def by_state(module: SparseLinear) -> None:
    module.load_state_dict({**module.state_dict(), "values": torch.randn(len(module.values))})


def by_replacement(module: SparseLinear) -> None:
    module.columns = 47 - module.columns


def of_columns(module: SparseLinear) -> None:
    module.columns.copy_(47 - module.columns)


def to_fewer_rows(module: SparseLinear) -> None:
    module.row_pointers = module.row_pointers[:9]
    module.out_features = 8
    kept = int(module.row_pointers[-1])
    module.columns, module.values = module.columns[:kept], module.values[:kept]


@pytest.mark.parametrize(
    "change",
    [in_place, by_data, by_numpy, by_state, by_replacement, of_columns, to_fewer_rows],
    ids=lambda change: change.__name__,
)
def test_no_change_is_missed(change: Callable[[SparseLinear], None]) -> None:
    module, x = layer(), torch.randn(3, 48)
    torch.testing.assert_close(product(module, x), by_definition(module, x))
    change(module)
    torch.testing.assert_close(product(module, x), by_definition(module, x))


def test_a_matrix_is_prepared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = 0
    keep = operators._prepared._keep

    def counted(*arguments: Any) -> None:
        nonlocal prepared
        prepared += 1
        keep(*arguments)

    monkeypatch.setattr(operators._prepared, "_keep", counted)
    modules, x = [layer() for _ in range(3)], torch.randn(3, 48)
    for _ in range(4):
        for module in modules:
            product(module, x)
    assert prepared == 3


def test_matrices_go_with_their_tensors() -> None:
    x = torch.randn(3, 48)
    for _ in range(20):
        product(layer(), x)
    last = layer()
    product(last, x)
    assert len([entry for entry in operators._prepared._entries.values() if not entry.expired]) < 20
    assert len(operators._prepared._entries) < 20


# Threads.


@pytest.fixture
def two_threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


@needs_fork
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
@pytest.mark.usefixtures("two_threads")
def test_a_child_runs_it() -> None:
    """The comparison is NumPy's: PyTorch's own threads do not survive a fork either."""
    module, x = layer(), torch.randn(300, 48)
    expected = product(module, x).numpy()
    assert in_child(lambda: np.array_equal(product(module, x).numpy(), expected))
    stop = Event()

    def keep_running() -> None:
        while not stop.is_set():
            product(layer(), x)

    with ThreadPoolExecutor(2) as pool:
        for _ in range(2):
            pool.submit(keep_running)
        try:
            found = [
                in_child(lambda: np.array_equal(product(module, x).numpy(), expected))
                for _ in range(5)
            ]
        finally:
            stop.set()
    assert found == [True] * 5


@pytest.mark.usefixtures("two_threads")
def test_threads_that_the_system_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    module, x = layer(), torch.randn(300, 48)
    expected = product(module, x)

    def submit(*arguments: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(operators._threads(), "submit", submit)
    torch.testing.assert_close(product(module, x), expected, rtol=0, atol=0)
