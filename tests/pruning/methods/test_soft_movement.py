import math

import numpy as np
import pytest
import torch
from torch import Tensor

from fineprune.pruning import KeepFraction, ScoreCut, SoftMovement, Threshold
from tests.oracles import first_largest_overall, sigmoid
from tests.pruning.methods.matrices import decided, matrix, random_scores

WEIGHT = torch.zeros(30, 40)
CUT, KEEP = SoftMovement(final_lambda=400.0), SoftMovement(keep=0.05)


def test_with_a_lambda_weights_above_the_cut_are_kept() -> None:
    scores = random_scores()
    settled = decided(CUT, matrix(WEIGHT, scores), ScoreCut(0.4))
    np.testing.assert_array_equal(settled.mask.numpy(), sigmoid(scores.numpy()) > 0.4)


def test_with_keep_the_highest_scores_of_all_are_kept() -> None:
    scores = [random_scores(seed) + seed for seed in range(3)]
    settled = KEEP.settle([matrix(WEIGHT, one) for one in scores], KeepFraction(0.2))
    expected = first_largest_overall([one.numpy() for one in scores], int(0.2 * 3600))
    found = [one.mask.numpy() for one in settled]
    # But for the first, which keeps a share of 5% of the density.
    assert int(found[0].sum()) >= int(0.05 * 0.2 * 1200)
    assert sum(int(mask.sum()) for mask in found) == int(0.2 * 3600)
    np.testing.assert_array_equal(found[2][expected[2] == 0], 0)


@pytest.mark.parametrize("method", [CUT, KEEP])
def test_the_gradient_is_straight_through(method: SoftMovement) -> None:
    torch.manual_seed(0)
    weight, gradient = torch.randn(30, 40, requires_grad=True), torch.randn(30, 40)
    scores = random_scores().requires_grad_()
    mask = decided(method, matrix(weight, scores), method.level(0.3)).mask
    masked = method.masked_weight(weight, scores, mask, method.level(0.3))
    masked.backward(gradient)  # type: ignore[no-untyped-call]
    # No derivative of the sigmoid, and no mask.
    assert scores.grad is not None
    assert weight.grad is not None
    assert torch.equal(scores.grad, gradient * weight.detach())
    assert torch.equal(weight.grad, gradient * mask)
    assert torch.equal(masked, weight * mask)


def test_levels_with_a_lambda() -> None:
    assert CUT.initial_level == ScoreCut(0.0)
    assert CUT.final_level == ScoreCut(0.1)
    assert CUT.level(0.03) == ScoreCut(0.03)
    level, penalty = CUT.level_schedule(begin=10, end=20), CUT.penalty_schedule(begin=10, end=20)
    middle = 1 - 1 / 8
    at = (0, 10, 15, 20, 30)
    assert [level(step) for step in at] == [0.0, 0.0, pytest.approx(0.1 * middle), 0.1, 0.1]
    # Lambda is proportional to tau.
    expected = [0.0, 0.0, pytest.approx(400 * middle), 400.0, 400.0]
    assert [penalty(step) for step in at] == expected


def test_levels_with_keep() -> None:
    assert KEEP.initial_level == KeepFraction(1.0)
    assert KEEP.final_level == KeepFraction(0.05)
    level, penalty = KEEP.level_schedule(begin=10, end=20), KEEP.penalty_schedule(begin=10, end=20)
    at = (0, 10, 15, 20, 30)
    assert [level(step) for step in at] == [1.0, 1.0, pytest.approx(0.05 + 0.95 / 8), 0.05, 0.05]
    # One lambda for all densities, which grows while the level moves.
    peak = SoftMovement(keep=0.5).penalty_schedule(begin=10, end=20)(30)
    assert peak > 0
    middle = pytest.approx(peak * (1 - 1 / 8))
    assert [penalty(step) for step in at] == [0.0, 0.0, middle, peak, peak]


def test_no_controller_is_needed() -> None:
    assert CUT.controller is None
    assert KEEP.controller is None


def uneven_scores() -> list[Tensor]:
    return [random_scores(1), random_scores(2)[:3] - 1]


def test_the_paper_s_penalty_is_a_mean_over_matrices() -> None:
    scores = uneven_scores()
    expected = np.mean([sigmoid(one.numpy()).mean() for one in scores])
    assert CUT.penalty(scores).item() == pytest.approx(expected, rel=1e-6)


def test_the_penalty_with_keep_is_a_mean_over_weights() -> None:
    scores = uneven_scores()
    together = np.concatenate([one.numpy().reshape(-1) for one in scores])
    assert KEEP.penalty(scores).item() == pytest.approx(sigmoid(together).mean(), rel=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "soft_movement takes exactly one of keep .* and final_lambda .*; found neither"),
        ({"keep": 0.1, "final_lambda": 1.0}, "takes exactly one of .*; found both"),
        ({"keep": 0.1, "cut": 0.2}, "^cut belongs to final_lambda, which is not given"),
        ({"keep": 0.1, "floor": 0.0}, "^floor belongs to final_lambda, which is not given"),
        ({"final_lambda": 1.0, "scope": "local"}, "^scope belongs to keep, which is not given"),
        ({"final_lambda": 1.0, "share_floor": 0}, "^share_floor belongs to keep, which is not"),
        ({"final_lambda": -1.0}, r"final_lambda must not be negative, found -1\.0"),
        ({"keep": 0.0}, r"keep must be above 0 and at most 1, found 0\.0"),
        ({"keep": 1.5}, r"keep must be above 0 and at most 1, found 1\.5"),
        ({"keep": 0.1, "share_floor": 2.0}, r"share_floor must lie within 0 to 1, found 2\.0"),
        ({"keep": 0.1, "scope": "all"}, "scope must be one of 'local', 'kind', 'global'; found"),
        ({"final_lambda": 1.0, "floor": 1.0}, r"floor must be at least 0 and below 1, found 1\.0"),
    ],
)
def test_what_does_not_go_together_is_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SoftMovement(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("cut", [0.0, 1.0, -0.1, 1.5, math.nan, math.inf])
def test_no_sigmoid_reaches_an_impossible_cut(cut: float) -> None:
    with pytest.raises(ValueError, match=rf"cut must .*, found {cut}"):
        SoftMovement(final_lambda=1.0, cut=cut)


# Its sister, with a cut through raw scores.


def test_threshold_keeps_scores_above_the_cut() -> None:
    scores = random_scores()
    settled = decided(Threshold(floor=0), matrix(WEIGHT, scores), ScoreCut(0.3))
    np.testing.assert_array_equal(settled.mask.numpy(), scores.numpy() > 0.3)


def test_levels_of_threshold() -> None:
    method = Threshold(cut=0.2)
    assert method.initial_level == ScoreCut(-0.5)
    assert method.final_level == ScoreCut(0.2)
    level = method.level_schedule(begin=0, end=10)
    assert [level(step) for step in (0, 5, 10)] == [-0.5, pytest.approx(0.2 - 0.7 / 8), 0.2]
    assert method.penalty_schedule(begin=0, end=10)(5) == 0.0
    assert method.penalty([torch.zeros(2, 2)]) is None
    assert method.controller is None


@pytest.mark.parametrize("cut", [math.nan, math.inf, -math.inf])
def test_a_threshold_is_finite(cut: float) -> None:
    with pytest.raises(ValueError, match=f"cut must be a finite number, found {cut}"):
        Threshold(cut=cut)


@pytest.mark.parametrize("method", [Threshold(), CUT, KEEP])
def test_scores_are_needed(method: Threshold | SoftMovement) -> None:
    with pytest.raises(TypeError, match="learns scores"):
        decided(method, matrix(WEIGHT), method.final_level)
