import math

import numpy as np
import pytest
import torch
from torch import Tensor

from fineprune.core.gates import (
    CLOSED,
    expected_gates,
    gate_gradient,
    gated_weight,
    open_probability,
    sample_noise,
    sampled_gates,
)
from tests.oracles import Doubles, sigmoid

# The distribution of Louizos et al. 2018, written down once more from the paper.
L, R, B = -0.1, 1.1, 2 / 3

SCORES = [-8.0, -2.0, -0.5, 0.0, 0.3, 2.197, 9.0]


def gates_over_noise(score: float, points: int = 200_000) -> Doubles:
    """Gates at evenly spread noise: their mean is an integral by the midpoint rule."""
    u = (np.arange(points) + 0.5) / points
    s = sigmoid((np.log(u) - np.log(1 - u) + score) / B)
    return np.clip(s * (R - L) + L, 0, 1)


def spread_noise(points: int = 1001) -> Tensor:
    return torch.from_numpy((np.arange(points) + 0.5) / points)


@pytest.mark.parametrize("score", SCORES)
def test_expected_gate_is_the_stretched_and_clamped_sigmoid(score: float) -> None:
    gate = expected_gates(torch.tensor(score, dtype=torch.float64)).item()
    assert gate == pytest.approx(min(1.0, max(0.0, 1.2 / (1 + math.exp(-score)) - 0.1)))


@pytest.mark.parametrize("score", SCORES)
def test_sampled_gates_follow_the_formula(score: float) -> None:
    noise = spread_noise()
    gates = sampled_gates(torch.full_like(noise, score), noise)
    np.testing.assert_allclose(gates.numpy(), gates_over_noise(score, noise.numel()), atol=1e-12)


@pytest.mark.parametrize("size", [1, 3, 4, 1001])
def test_noise_has_the_shape_of_the_scores_and_repeats(size: int) -> None:
    noise = sample_noise(torch.zeros(size, 1), torch.Generator().manual_seed(3))
    assert noise.shape == (size, 1)
    assert torch.equal(noise, sample_noise(torch.ones(size, 1), torch.Generator().manual_seed(3)))


def test_noise_is_uniform_whichever_bits_of_a_draw_it_comes_from() -> None:
    noise = sample_noise(torch.zeros(400_000), torch.Generator().manual_seed(5)).double()
    assert 1e-4 < noise.min() < 3e-4
    assert 1 - 3e-4 < noise.max() < 1 - 1e-4
    quarters = noise.view(-1, 4)
    for column in quarters.T:
        # Kolmogorov and Smirnov's distance; 1.95 / sqrt(n) is passed once in a thousand times.
        steps = (torch.arange(len(column), dtype=torch.float64) + 0.5) / len(column)
        assert (column.sort().values - steps).abs().max() < 1.95 / len(column) ** 0.5
    correlation = torch.corrcoef(quarters.T) - torch.eye(4)
    assert correlation.abs().max() < 4 / len(quarters) ** 0.5


@pytest.mark.parametrize("score", SCORES)
def test_open_probability_is_the_share_of_noise_that_opens_a_gate(score: float) -> None:
    opened = float((gates_over_noise(score) > 0).mean())
    probability = open_probability(torch.tensor(score, dtype=torch.float64)).item()
    assert probability == pytest.approx(opened, abs=1e-5)


@pytest.mark.parametrize("score", SCORES)
def test_moments_of_random_gates(score: float) -> None:
    torch.manual_seed(0)
    scores = torch.full((400, 500), score)
    gates = sampled_gates(scores, sample_noise(scores)).double()
    exact = gates_over_noise(score)
    error_of_mean = exact.std() / math.sqrt(gates.numel())
    # Five standard errors, and what the noise misses by keeping 1e-4 away from 0 and 1.
    assert gates.mean().item() == pytest.approx(exact.mean(), abs=5 * error_of_mean + 2e-4)
    assert gates.square().mean().item() == pytest.approx((exact**2).mean(), abs=5e-3)
    for clamped in (0.0, 1.0):
        share = (gates == clamped).double().mean().item()
        assert share == pytest.approx((exact == clamped).mean(), abs=5e-3)


def test_gates_lie_within_0_to_1_for_every_score() -> None:
    scores = torch.tensor([-1e30, -300.0, -20.0, 0.0, 20.0, 300.0, 1e30]).repeat(1000, 1)
    torch.manual_seed(0)
    for gates in (sampled_gates(scores, sample_noise(scores)), expected_gates(scores)):
        assert gates.isfinite().all()
        assert gates.min() == 0.0
        assert gates.max() == 1.0


def test_noise_is_uniform_and_away_from_0_and_1() -> None:
    torch.manual_seed(0)
    scores = torch.zeros(300, 1000, requires_grad=True)
    noise = sample_noise(scores)
    assert noise.shape == scores.shape
    assert noise.dtype == torch.float32
    assert not noise.requires_grad
    assert noise.min() >= 1e-4
    assert noise.max() <= 1 - 1e-4
    shares = torch.histc(noise, bins=10, min=0, max=1) / noise.numel()
    torch.testing.assert_close(shares, torch.full((10,), 0.1), atol=5e-3, rtol=0)


def test_sampled_gates_have_the_exact_gradient() -> None:
    torch.manual_seed(0)
    scores = torch.linspace(-3, 3, 60, dtype=torch.float64, requires_grad=True)
    noise = sample_noise(scores)
    assert torch.autograd.gradcheck(lambda s: sampled_gates(s, noise), scores)


def test_open_probability_has_the_exact_gradient() -> None:
    scores = torch.linspace(-3, 3, 20, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(open_probability, scores)


def test_a_clamped_gate_has_no_gradient_and_an_open_one_has() -> None:
    noise = torch.tensor([1e-3, 0.5, 1 - 1e-3])
    scores = torch.zeros(3, requires_grad=True)
    gates = sampled_gates(scores, noise)
    assert gates[0] == 0
    assert gates[2] == 1
    gates.sum().backward()  # type: ignore[no-untyped-call]
    # At noise 0.5 and score 0: sigmoid' = 1/4, times (r - l) / b.
    torch.testing.assert_close(scores.grad, torch.tensor([0.0, 0.25 * 1.2 / B, 0.0]))


def drawn_gates(scores: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return sampled_gates(scores, sample_noise(scores, generator))


@pytest.mark.parametrize("sampled", [True, False])
def test_a_gated_weight_has_the_value_and_the_gradients_of_the_formula(sampled: bool) -> None:
    torch.manual_seed(0)
    weight = torch.randn(20, 30, dtype=torch.float64, requires_grad=True)
    scores = (3 * torch.randn(20, 30, dtype=torch.float64)).requires_grad_()
    gradient = torch.randn(20, 30, dtype=torch.float64)
    gates = drawn_gates if sampled else expected_gates
    made = gates(scores)
    assert (made == 0).any()
    assert (made == 1).any()
    exact = weight * made
    exact.backward(gradient)  # type: ignore[no-untyped-call]
    expected = [one.grad for one in (weight, scores)]
    weight.grad = scores.grad = None

    found = gated_weight(weight, scores, gates(scores.detach()), sampled=sampled)
    found.backward(gradient)  # type: ignore[no-untyped-call]
    assert torch.equal(found, exact)
    torch.testing.assert_close([weight.grad, scores.grad], expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("sampled", [True, False])
def test_a_clamped_gate_passes_no_gradient_to_its_score(sampled: bool) -> None:
    scores = torch.tensor([[-30.0, 0.0, 30.0]], requires_grad=True)
    weight = torch.ones(1, 3, requires_grad=True)
    gates = torch.tensor([[0.0, 0.5, 1.0]])
    gated_weight(weight, scores, gates, sampled=sampled).sum().backward()  # type: ignore[no-untyped-call]
    # In the middle: (r - l) / 4, times 1 / b where the gate was drawn.
    slope = 0.3 / B if sampled else 0.3
    torch.testing.assert_close(scores.grad, torch.tensor([[0.0, slope, 0.0]]))
    assert torch.equal(weight.grad, gates)  # type: ignore[arg-type]


def test_the_gradient_of_gates_leaves_them_as_they_were() -> None:
    gates = torch.tensor([0.0, 0.25, 1.0])
    gate_gradient(gates, 1.0)
    assert gates.tolist() == [0.0, 0.25, 1.0]


def test_a_bfloat16_weight_gives_its_scores_a_float32_gradient() -> None:
    torch.manual_seed(0)
    weight = torch.randn(8, 8, dtype=torch.bfloat16, requires_grad=True)
    scores = torch.randn(8, 8, requires_grad=True)
    gates, gradient = expected_gates(scores.detach()), torch.randn(8, 8, dtype=torch.bfloat16)
    masked = gated_weight(weight, scores, gates, sampled=False)
    assert masked.dtype == torch.bfloat16
    masked.backward(gradient)  # type: ignore[no-untyped-call]
    assert scores.grad is not None
    assert scores.grad.dtype == torch.float32
    assert weight.grad is not None
    assert weight.grad.dtype == torch.bfloat16
    s = sigmoid(scores.detach().numpy())
    open_ = (1.2 * s - 0.1 > 0) & (1.2 * s - 0.1 < 1)
    expected = gradient.double().numpy() * weight.detach().double().numpy() * 1.2 * s * (1 - s)
    np.testing.assert_allclose(scores.grad.numpy(), expected * open_, rtol=1e-5, atol=1e-7)


def test_an_expected_gate_opens_above_the_score_that_closes_it() -> None:
    scores = torch.tensor([CLOSED - 1e-4, CLOSED + 1e-4], dtype=torch.float64)
    below, above = expected_gates(scores).tolist()
    assert below == 0
    assert above > 0
    assert pytest.approx(math.log(0.1 / 1.1)) == CLOSED
