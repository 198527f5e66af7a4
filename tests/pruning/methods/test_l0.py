import math

import numpy as np
import pytest
import torch
from torch import Tensor

from fineprune.core.gates import sample_noise, sampled_gates
from fineprune.pruning import L0, ScoreCut
from tests.oracles import sigmoid

LEVEL = ScoreCut(0.0)


def random_tensors(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    return torch.randn(20, 30, dtype=dtype), 3 * torch.randn(20, 30)


def test_the_mask_is_a_gate_that_scales() -> None:
    weight, scores = random_tensors()
    gates = L0(final_lambda=1.0).mask(weight, scores, LEVEL)
    expected = np.clip(1.2 * sigmoid(scores.numpy()) - 0.1, 0, 1)
    np.testing.assert_allclose(gates.numpy(), expected, atol=1e-6)
    assert 0 < int((gates == 0).sum()) < 600
    assert 0 < int((gates == 1).sum()) < 600
    assert int(((gates > 0) & (gates < 1)).sum()) > 0


def test_evaluation_uses_the_expected_gates_with_their_exact_gradient() -> None:
    weight, scores = random_tensors(torch.float64)
    scores = scores.double().requires_grad_()
    method = L0(final_lambda=1.0)
    masked = method.masked_weight(weight, scores, LEVEL, training=False)
    assert torch.equal(masked, weight * method.mask(weight, scores, LEVEL))
    assert torch.autograd.gradcheck(
        lambda s: method.masked_weight(weight, s, LEVEL, training=False), scores
    )


def test_training_draws_gates() -> None:
    weight, scores = random_tensors()
    torch.manual_seed(4)
    masked = L0(final_lambda=1.0).masked_weight(weight, scores, LEVEL, training=True)
    torch.manual_seed(4)
    assert torch.equal(masked, weight * sampled_gates(scores, sample_noise(scores)))


def test_gradient_in_training_is_that_of_the_drawn_gates() -> None:
    weight, scores = random_tensors()
    weight.requires_grad_()
    scores.requires_grad_()
    gradient = torch.randn(20, 30)
    torch.manual_seed(4)
    masked = L0(final_lambda=1.0).masked_weight(weight, scores, LEVEL, training=True)
    masked.backward(gradient)  # type: ignore[no-untyped-call]
    torch.manual_seed(4)
    u = sample_noise(scores).double().numpy()
    b = 2 / 3
    s = sigmoid((np.log(u) - np.log(1 - u) + scores.detach().numpy()) / b)
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


@pytest.mark.parametrize("training", [True, False])
def test_a_bfloat16_weight_stays_one_and_its_scores_stay_float32(training: bool) -> None:
    weight, scores = random_tensors(torch.bfloat16)
    scores.requires_grad_()
    masked = L0(final_lambda=1.0).masked_weight(weight, scores, LEVEL, training=training)
    assert masked.dtype == torch.bfloat16
    masked.float().sum().backward()  # type: ignore[no-untyped-call]
    assert scores.grad is not None
    assert scores.grad.dtype == torch.float32


def test_nothing_is_scheduled() -> None:
    method = L0(final_lambda=125.0)
    assert method.initial_level == method.final_level == method.level(0.7) == LEVEL
    assert {method.level_schedule(begin=3, end=9)(step) for step in range(12)} == {0.0}
    assert {method.penalty_schedule(begin=3, end=9)(step) for step in range(12)} == {125.0}


def test_the_penalty_is_the_mean_probability_of_an_open_gate() -> None:
    _, scores = random_tensors()
    shift = 2 / 3 * math.log(0.1 / 1.1)
    expected = np.mean([sigmoid(one.numpy() - shift).mean() for one in (scores, scores[:2])])
    penalty = L0(final_lambda=1.0).penalty([scores, scores[:2]])
    assert penalty.item() == pytest.approx(expected, rel=1e-6)


def test_scores_start_where_nine_gates_of_ten_are_open() -> None:
    scores = L0(final_lambda=1.0).initial_scores(torch.zeros(2, 3))
    assert scores.shape == (2, 3)
    np.testing.assert_allclose(sigmoid(scores.numpy()), 0.9, atol=1e-4)


def test_a_negative_lambda_is_refused() -> None:
    with pytest.raises(ValueError, match=r"final_lambda must not be negative, found -0\.5"):
        L0(final_lambda=-0.5)
