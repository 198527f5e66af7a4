import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from fineprune.core.penalties import (
    Average,
    mean_over_matrices,
    mean_over_weights,
    open_gate_penalty,
    sigmoid_penalty,
)
from tests.oracles import sigmoid

Penalty = Callable[..., Tensor]

SHIFT = 2 / 3 * math.log(0.1 / 1.1)
"""By which an open gate's probability sigmoid(S - b log(-l / r)) is shifted."""

PENALTIES = pytest.mark.parametrize(
    ("penalty", "shift"), [(sigmoid_penalty, 0.0), (open_gate_penalty, SHIFT)]
)


@pytest.mark.shared
@pytest.mark.parametrize(("penalty", "name"), [(sigmoid_penalty, "l1"), (open_gate_penalty, "l0")])
def test_values_of_the_original_code(penalty: Penalty, name: str, shared: Path) -> None:
    folder = shared / "fixtures" / "emmental"
    tensors = load_file(folder / "layers.safetensors")
    scores = [tensors["penalty.scores0"], tensors["penalty.scores1"]]
    expected = json.loads((folder / "layers.json").read_text(encoding="utf-8"))["scalars"][name]
    torch.testing.assert_close(penalty(scores), torch.tensor(expected))
    torch.testing.assert_close(penalty(scores, mean_over_matrices), torch.tensor(expected))


@PENALTIES
def test_every_matrix_weighs_the_same_whatever_its_size(penalty: Penalty, shift: float) -> None:
    torch.manual_seed(0)
    scores = [torch.randn(2, 3), torch.randn(50, 40), torch.randn(1, 1)]
    exact = np.mean([sigmoid(one.numpy() - shift).mean() for one in scores])
    assert penalty(scores).item() == pytest.approx(exact, rel=1e-6)


@PENALTIES
def test_gradient_is_that_of_the_sigmoid(penalty: Penalty, shift: float) -> None:
    torch.manual_seed(0)
    scores = [torch.randn(2, 3, requires_grad=True), torch.randn(5, 4, requires_grad=True)]
    penalty(scores).backward()  # type: ignore[no-untyped-call]
    for one in scores:
        opened = sigmoid(one.detach().numpy() - shift)
        assert one.grad is not None
        np.testing.assert_allclose(
            one.grad.numpy(), opened * (1 - opened) / one.numel() / len(scores), rtol=1e-5
        )


@PENALTIES
def test_every_weight_weighs_the_same_whatever_its_matrix(penalty: Penalty, shift: float) -> None:
    torch.manual_seed(0)
    sizes = ((2, 3), (50, 40), (1, 1))
    scores = [torch.randn(shape, requires_grad=True) for shape in sizes]
    together = np.concatenate([one.detach().numpy().reshape(-1) for one in scores])
    found = penalty(scores, mean_over_weights)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(sigmoid(together - shift).mean(), rel=1e-6)
    assert found.item() != pytest.approx(penalty(scores).item(), rel=1e-3)
    found.backward()  # type: ignore[no-untyped-call]
    for one in scores:
        opened = sigmoid(one.detach().numpy() - shift)
        assert one.grad is not None
        np.testing.assert_allclose(
            one.grad.numpy(), opened * (1 - opened) / together.size, rtol=1e-4
        )


@PENALTIES
@pytest.mark.parametrize("average", [mean_over_matrices, mean_over_weights])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_low_precision_neither_overflows_nor_drifts(
    penalty: Penalty, shift: float, dtype: torch.dtype, average: Average
) -> None:
    # The sum of these, about 100,000, is beyond float16.
    scores = torch.full((400, 500), 0.5, dtype=dtype)
    value = penalty([scores, scores[:7]], average)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(1 / (1 + math.exp(shift - 0.5)), rel=1e-5)
