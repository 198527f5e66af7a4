"""SoftMovement and Threshold: the methods that compare scores with a cut."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fineprune.pruning import ScoreCut, SoftMovement, Threshold
from fineprune.pruning.methods.cut import CutMethod
from tests.oracles import first_largest, sigmoid

WEIGHT = torch.zeros(30, 40)


def random_scores(seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(30, 40)).astype(np.float32))


@given(st.integers(0, 2**32), st.floats(0.02, 0.98))
def test_soft_movement_keeps_what_its_sigmoid_lifts_above_the_cut(seed: int, cut: float) -> None:
    scores = random_scores(seed)
    lifted = sigmoid(scores.numpy())
    method = SoftMovement(final_lambda=1.0, cut=cut, floor=0)
    mask = method.mask(WEIGHT, scores, ScoreCut(cut)).numpy()
    certain = np.abs(lifted - cut) > 1e-6  # closer, float32 may round to either side
    np.testing.assert_array_equal(mask[certain], (lifted > cut)[certain])


@given(st.integers(0, 2**32), st.floats(-2, 2, width=32))
def test_threshold_keeps_scores_above_the_cut(seed: int, cut: float) -> None:
    scores = random_scores(seed)
    mask = Threshold(floor=0).mask(WEIGHT, scores, ScoreCut(cut)).numpy()
    np.testing.assert_array_equal(mask, scores.numpy() > cut)


def test_a_score_at_the_cut_is_not_above_it() -> None:
    scores = torch.tensor([[0.0, 1e-6, -1e-6]])
    expected = [[False, True, False]]
    assert Threshold(floor=0).mask(scores, scores, ScoreCut(0.0)).tolist() == expected
    soft = SoftMovement(final_lambda=1.0, floor=0)
    assert soft.mask(scores, scores, ScoreCut(0.5)).tolist() == expected


@pytest.mark.parametrize(
    ("size", "floor", "least"),
    [(1024, 0.005, 6), (589_824, 0.005, 2950), (400, 0.01, 5), (10, 0.005, 1), (10, 0.0, 0)],
)
def test_the_floor_keeps_a_fraction_and_one_more(size: int, floor: float, least: int) -> None:
    assert Threshold(floor=floor).least_count(size) == least


@pytest.mark.parametrize("floor", [0.005, 0.1])
def test_at_the_floor_the_highest_scores_stay(floor: float) -> None:
    scores = random_scores()
    least = int(floor * 1200) + 1
    for method in (Threshold(floor=floor), SoftMovement(final_lambda=1.0, floor=floor)):
        cut = ScoreCut(50.0)  # above every score and every sigmoid
        mask = method.mask(WEIGHT, scores, cut)
        np.testing.assert_array_equal(mask.numpy(), first_largest(scores.numpy(), least))
        assert method.at_floor(WEIGHT, scores, cut)


def test_the_floor_ranks_scores_that_a_sigmoid_cannot_tell_apart() -> None:
    # In float32 the sigmoid of all of these is 0.
    scores = torch.linspace(-300, -200, 1200).reshape(30, 40)
    assert (torch.sigmoid(scores) == 0).all()
    mask = SoftMovement(final_lambda=1.0).mask(WEIGHT, scores, ScoreCut(0.1))
    assert torch.nonzero(mask.reshape(-1)).reshape(-1).tolist() == list(range(1193, 1200))


def test_equal_scores_at_the_floor_are_kept_in_row_major_order() -> None:
    mask = Threshold().mask(WEIGHT, torch.zeros(30, 40), ScoreCut(0.0))
    assert torch.nonzero(mask.reshape(-1)).reshape(-1).tolist() == list(range(7))


@pytest.mark.parametrize(("above", "binds"), [(0, True), (6, True), (7, False), (8, False)])
def test_the_floor_binds_only_where_fewer_are_above_the_cut(above: int, binds: bool) -> None:
    scores = torch.full((1200,), -1.0)
    scores[:above] = 1.0
    scores = scores.reshape(30, 40)
    method = Threshold()
    assert method.at_floor(WEIGHT, scores, ScoreCut(0.0)) == binds
    assert int(method.mask(WEIGHT, scores, ScoreCut(0.0)).sum()) == max(above, 7)


def test_a_floor_of_zero_keeps_nothing() -> None:
    method = Threshold(floor=0)
    scores = torch.full((30, 40), -1.0)
    assert int(method.mask(WEIGHT, scores, ScoreCut(0.0)).sum()) == 0
    assert not method.at_floor(WEIGHT, scores, ScoreCut(0.0))


@pytest.mark.parametrize("method", [Threshold(), SoftMovement(final_lambda=1.0)])
def test_the_gradient_is_straight_through(method: CutMethod) -> None:
    torch.manual_seed(0)
    weight = torch.randn(30, 40, requires_grad=True)
    scores = random_scores().requires_grad_()
    gradient = torch.randn(30, 40)
    level = ScoreCut(0.3)
    method.masked_weight(weight, scores, level, training=True).backward(gradient)  # type: ignore[no-untyped-call]
    assert scores.grad is not None
    assert weight.grad is not None
    # No derivative of the sigmoid, and no mask.
    assert torch.equal(scores.grad, gradient * weight.detach())
    assert torch.equal(weight.grad, gradient * method.mask(weight, scores, level))


def test_levels_of_soft_movement() -> None:
    method = SoftMovement(final_lambda=400.0)
    assert method.initial_level == ScoreCut(0.0)
    assert method.final_level == ScoreCut(0.1)
    assert method.level(0.03) == ScoreCut(0.03)
    level = method.level_schedule(begin=10, end=20)
    penalty = method.penalty_schedule(begin=10, end=20)
    assert [level(step) for step in (0, 10, 15, 20, 30)] == [
        0.0,
        0.0,
        pytest.approx(0.1 * (1 - 1 / 8)),
        0.1,
        0.1,
    ]
    # Lambda is proportional to tau.
    assert [penalty(step) for step in (0, 10, 15, 20, 30)] == [
        0.0,
        0.0,
        pytest.approx(400 * (1 - 1 / 8)),
        400.0,
        400.0,
    ]


def test_levels_of_threshold() -> None:
    method = Threshold(cut=0.2)
    assert method.initial_level == ScoreCut(-0.5)
    assert method.final_level == ScoreCut(0.2)
    level = method.level_schedule(begin=0, end=10)
    assert [level(step) for step in (0, 5, 10)] == [-0.5, pytest.approx(0.2 - 0.7 / 8), 0.2]
    assert method.penalty_schedule(begin=0, end=10)(5) == 0.0
    assert method.penalty([torch.zeros(2, 2)]) is None


def test_the_penalty_of_soft_movement_is_the_mean_sigmoid() -> None:
    scores = [random_scores(1), random_scores(2)[:3]]
    expected = np.mean([sigmoid(one.numpy()).mean() for one in scores])
    penalty = SoftMovement(final_lambda=1.0).penalty(scores)
    assert penalty.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("floor", [-0.1, 1.0, 2.0, math.nan])
def test_an_impossible_floor_is_refused(floor: float) -> None:
    with pytest.raises(ValueError, match=f"floor must be at least 0 and below 1, found {floor}"):
        Threshold(floor=floor)
    with pytest.raises(ValueError, match="floor must"):
        SoftMovement(final_lambda=1.0, floor=floor)


@pytest.mark.parametrize("cut", [0.0, 1.0, -0.1, 1.5, math.nan, math.inf])
def test_no_sigmoid_reaches_an_impossible_cut(cut: float) -> None:
    with pytest.raises(ValueError, match=rf"cut must .*, found {cut}"):
        SoftMovement(final_lambda=1.0, cut=cut)


@pytest.mark.parametrize("cut", [math.nan, math.inf, -math.inf])
def test_a_threshold_is_finite(cut: float) -> None:
    with pytest.raises(ValueError, match=f"cut must be a finite number, found {cut}"):
        Threshold(cut=cut)


def test_a_negative_lambda_is_refused() -> None:
    with pytest.raises(ValueError, match=r"final_lambda must not be negative, found -1\.0"):
        SoftMovement(final_lambda=-1.0)


@pytest.mark.parametrize("method", [Threshold(), SoftMovement(final_lambda=1.0)])
def test_scores_are_needed(method: CutMethod) -> None:
    with pytest.raises(TypeError, match="learns scores"):
        method.mask(WEIGHT, None, ScoreCut(0.0))
