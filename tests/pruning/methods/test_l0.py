import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from fineprune.core.control import PenaltyController
from fineprune.core.gates import sample_noise, sampled_gates
from fineprune.pruning import L0, KeepFraction, ScoreCut
from tests.oracles import sigmoid
from tests.pruning.methods.matrices import decided, matrix

LEVEL = ScoreCut(0.0)
LAMBDA, KEEP = L0(final_lambda=1.0), L0(keep=0.1)
BOTH = pytest.mark.parametrize("method", [LAMBDA, KEEP])


def random_tensors(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    return torch.randn(20, 30, dtype=dtype), 3 * torch.randn(20, 30)


def everything(weight: Tensor) -> Tensor:
    return torch.ones_like(weight, dtype=torch.bool)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(4)


@BOTH
@pytest.mark.parametrize("shift", [0.0, 1.5])
def test_what_multiplies_is_a_gate_that_scales(method: L0, shift: float) -> None:
    weight, scores = random_tensors()
    gates = method.multiplier(scores, everything(weight), ScoreCut(shift))
    expected = np.clip(1.2 * sigmoid(scores.numpy() - shift) - 0.1, 0, 1)
    np.testing.assert_allclose(gates.numpy(), expected, atol=1e-6)
    assert 0 < int((gates == 0).sum()) < 600
    assert 0 < int((gates == 1).sum()) < 600
    assert int(((gates > 0) & (gates < 1)).sum()) > 0


@BOTH
@pytest.mark.parametrize("shift", [0.0, 1.5])
def test_evaluation_uses_the_expected_gates_with_their_exact_gradient(
    method: L0, shift: float
) -> None:
    weight, scores = random_tensors(torch.float64)
    scores = scores.double().requires_grad_()
    mask, level = everything(weight), ScoreCut(shift)
    masked = method.masked_weight(weight, scores, mask, level)
    assert torch.equal(masked, weight * method.multiplier(scores, mask, level))
    assert torch.autograd.gradcheck(lambda s: method.masked_weight(weight, s, mask, level), scores)


@BOTH
@pytest.mark.parametrize("shift", [0.0, 1.5])
def test_training_uses_the_gates_that_were_drawn(method: L0, shift: float) -> None:
    weight, scores = random_tensors()
    level = ScoreCut(shift)
    drawn = method.draw(scores, level, seeded())
    expected = sampled_gates(scores - shift, sample_noise(scores, seeded()))
    assert torch.equal(drawn, expected)
    masked = method.masked_weight(weight, scores, everything(weight), level, drawn)
    assert torch.equal(masked, weight * expected)


def test_the_gradient_in_training_is_that_of_the_drawn_gates() -> None:
    weight, scores = random_tensors()
    weight.requires_grad_()
    scores.requires_grad_()
    gradient, shift = torch.randn(20, 30), 0.7
    drawn = KEEP.draw(scores, ScoreCut(shift), seeded())
    masked = KEEP.masked_weight(weight, scores, everything(weight), ScoreCut(shift), drawn)
    masked.backward(gradient)  # type: ignore[no-untyped-call]
    u = sample_noise(scores, seeded()).double().numpy()
    b = 2 / 3
    s = sigmoid((np.log(u) - np.log(1 - u) + scores.detach().numpy() - shift) / b)
    stretched = 1.2 * s - 0.1
    inside = (stretched > 0) & (stretched < 1)
    assert weight.grad is not None
    assert scores.grad is not None
    np.testing.assert_allclose(
        weight.grad.numpy(), gradient.numpy() * np.clip(stretched, 0, 1), atol=1e-5
    )
    np.testing.assert_allclose(
        scores.grad.numpy(),
        gradient.numpy() * weight.detach().numpy() * inside * 1.2 * s * (1 - s) / b,
        atol=1e-5,
    )


@pytest.mark.parametrize("drawn", [True, False])
def test_a_bfloat16_weight_stays_one_and_its_scores_stay_float32(drawn: bool) -> None:
    weight, scores = random_tensors(torch.bfloat16)
    scores.requires_grad_()
    gates = LAMBDA.draw(scores, LEVEL, seeded()) if drawn else None
    masked = LAMBDA.masked_weight(weight, scores, everything(weight), LEVEL, gates)
    assert masked.dtype == torch.bfloat16
    masked.float().sum().backward()  # type: ignore[no-untyped-call]
    assert scores.grad is not None
    assert scores.grad.dtype == torch.float32


@BOTH
def test_without_scores_the_mask_alone_is_left(method: L0) -> None:
    weight, _ = random_tensors()
    mask = weight > 0.3
    assert torch.equal(method.masked_weight(weight, None, mask, LEVEL), weight * mask)
    assert torch.equal(method.multiplier(None, mask, LEVEL), mask)
    with pytest.raises(TypeError, match="learns scores"):
        decided(method, matrix(weight), method.final_level)


def test_with_a_lambda_nothing_is_scheduled() -> None:
    method = L0(final_lambda=125.0)
    assert method.initial_level == method.final_level == method.level(0.7) == LEVEL
    assert {method.level_schedule(begin=3, end=9)(step) for step in range(12)} == {0.0}
    assert {method.penalty_schedule(begin=3, end=9)(step) for step in range(12)} == {125.0}
    assert method.controller is None


def test_with_keep_the_level_falls_and_a_controller_sets_lambda() -> None:
    assert KEEP.initial_level == KeepFraction(1.0)
    assert KEEP.final_level == KeepFraction(0.1)
    level = KEEP.level_schedule(begin=10, end=20)
    middle = pytest.approx(0.1 + 0.9 / 8)
    assert [level(step) for step in (0, 10, 15, 20, 30)] == [1.0, 1.0, middle, 0.1, 0.1]
    assert KEEP.controller == PenaltyController(target=0.1)


@BOTH
def test_a_matrix_s_own_level_is_the_shift_of_its_gates(method: L0) -> None:
    assert method.matrix_level(-3.25) == ScoreCut(-3.25)
    # At first none are shifted, whatever fraction training starts with.
    assert method.initial_matrix_level == ScoreCut(0.0)


def test_the_penalty_is_the_mean_probability_of_an_open_gate() -> None:
    _, scores = random_tensors()
    uneven = [scores, scores[:2] - 1]
    shift = 2 / 3 * math.log(0.1 / 1.1)
    by_matrix = np.mean([sigmoid(one.numpy() - shift).mean() for one in uneven])
    together = np.concatenate([one.numpy().reshape(-1) for one in uneven])
    by_weight = sigmoid(together - shift).mean()
    assert LAMBDA.penalty(uneven).item() == pytest.approx(by_matrix, rel=1e-6)
    assert KEEP.penalty(uneven).item() == pytest.approx(by_weight, rel=1e-6)


def test_scores_start_where_nine_gates_of_ten_are_open() -> None:
    scores = LAMBDA.initial_scores(torch.zeros(2, 3, dtype=torch.bfloat16))
    assert scores.shape == (2, 3)
    assert scores.dtype == torch.float32
    np.testing.assert_allclose(sigmoid(scores.numpy()), 0.9, atol=1e-4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "^l0 takes exactly one of keep .* and final_lambda .*; found neither"),
        ({"keep": 0.1, "final_lambda": 0.0}, "takes exactly one of .*; found both"),
        ({"final_lambda": -0.5}, r"final_lambda must not be negative, found -0\.5"),
        ({"keep": 0.0}, r"keep must be above 0 and below 1, found 0\.0"),
        ({"keep": 1.0}, r"keep must be above 0 and below 1, found 1\.0"),
    ],
)
def test_what_does_not_go_together_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        L0(**settings)
