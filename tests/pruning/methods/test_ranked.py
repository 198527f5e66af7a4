"""Magnitude and Movement: the methods that rank weights."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fineprune.pruning import KeepFraction, Magnitude, Method, Movement
from tests.oracles import first_largest

RANKED = (Magnitude, Movement)


def tensors(seed: int, shape: tuple[int, int], distinct: int) -> tuple[Tensor, Tensor]:
    """Weight and scores; of the scores only so many differ, so that some are equal."""
    random = np.random.default_rng(seed)
    weight = torch.from_numpy(random.normal(size=shape).round(1).astype(np.float32))
    scores = torch.from_numpy(random.integers(-distinct, distinct, shape).astype(np.float32))
    return weight, scores


SHAPES = st.tuples(st.integers(1, 8), st.integers(1, 8))


@given(st.integers(0, 2**32), SHAPES, st.integers(1, 20), st.floats(0, 1))
def test_movement_keeps_the_top_of_the_scores(
    seed: int, shape: tuple[int, int], distinct: int, fraction: float
) -> None:
    weight, scores = tensors(seed, shape, distinct)
    mask = Movement().mask(weight, scores, KeepFraction(fraction))
    expected = first_largest(scores.numpy(), int(fraction * scores.numel()))
    np.testing.assert_array_equal(mask.numpy(), expected)


@given(st.integers(0, 2**32), SHAPES, st.floats(0, 1))
def test_magnitude_keeps_the_top_of_the_absolute_weights(
    seed: int, shape: tuple[int, int], fraction: float
) -> None:
    weight, _ = tensors(seed, shape, 1)
    mask = Magnitude().mask(weight, None, KeepFraction(fraction))
    expected = first_largest(np.abs(weight.numpy()), int(fraction * weight.numel()))
    np.testing.assert_array_equal(mask.numpy(), expected)


@pytest.mark.parametrize("kept", [0, 1, 7, 8, 63, 64])
def test_equal_scores_are_kept_in_row_major_order(kept: int) -> None:
    mask = Movement().mask(torch.randn(8, 8), torch.zeros(8, 8), KeepFraction.of(kept, 64))
    assert mask.reshape(-1).tolist() == [True] * kept + [False] * (64 - kept)


def test_magnitude_passes_gradients_to_kept_weights_only() -> None:
    torch.manual_seed(0)
    weight = torch.randn(4, 5, requires_grad=True)
    gradient = torch.randn(4, 5)
    method = Magnitude()
    masked = method.masked_weight(weight, None, KeepFraction(0.5), training=True)
    masked.backward(gradient)  # type: ignore[no-untyped-call]
    kept = first_largest(np.abs(weight.detach().numpy()), 10)
    assert weight.grad is not None
    np.testing.assert_array_equal(weight.grad.numpy(), gradient.numpy() * kept)


def test_movement_moves_the_scores_of_all_weights() -> None:
    torch.manual_seed(0)
    weight, scores = torch.randn(4, 5), torch.randn(4, 5, requires_grad=True)
    gradient = torch.randn(4, 5)
    masked = Movement().masked_weight(weight, scores, KeepFraction(0.5), training=True)
    masked.backward(gradient)  # type: ignore[no-untyped-call]
    assert scores.grad is not None
    assert torch.equal(scores.grad, gradient * weight)


def test_a_weight_that_training_moves_away_from_zero_comes_back() -> None:
    weight = torch.tensor([[1.0, -1.0, 1.0]])
    scores = torch.tensor([[1.0, 0.5, 0.0]], requires_grad=True)
    level = KeepFraction.of(1, 3)
    method = Movement()
    assert method.mask(weight, scores, level).tolist() == [[True, False, False]]
    for _ in range(3):
        # The loss wants the second weight to fall further and the first one to shrink.
        masked = method.masked_weight(weight, scores, level, training=True)
        masked.backward(torch.tensor([[1.0, 1.0, 0.0]]))  # type: ignore[no-untyped-call]
        with torch.no_grad():
            assert scores.grad is not None
            scores -= 0.1 * scores.grad
            scores.grad = None
    assert method.mask(weight, scores, level).tolist() == [[False, True, False]]


@pytest.mark.parametrize("method", RANKED)
def test_levels(method: type[Magnitude] | type[Movement]) -> None:
    chosen = method(keep=0.15)
    assert chosen.initial_level == KeepFraction(1.0)
    assert chosen.final_level == KeepFraction(0.15)
    assert chosen.level(0.5) == KeepFraction(0.5)
    schedule = chosen.level_schedule(begin=10, end=20)
    assert [schedule(step) for step in (0, 10, 15, 20, 30)] == [
        1.0,
        1.0,
        pytest.approx(0.15 + 0.85 / 8),
        0.15,
        0.15,
    ]
    assert chosen.penalty_schedule(begin=10, end=20)(15) == 0.0
    assert chosen.penalty([torch.zeros(2, 2)]) is None


@pytest.mark.parametrize("method", RANKED)
def test_local_levels_are_the_same_for_all(method: type[Magnitude] | type[Movement]) -> None:
    weights = [torch.randn(3, 3), torch.randn(2, 2)]
    level = KeepFraction(0.4)
    assert method().levels(weights, weights, level) == [level, level]
    assert method().overall_level([level, level], [9, 4]) == level


def test_global_levels_are_shares_of_the_whole() -> None:
    weights = [torch.tensor([[5.0, 1.0]]), torch.tensor([[-4.0], [-3.0], [0.0]])]
    method: Method = Magnitude(scope="global")
    levels = method.levels(weights, [None, None], KeepFraction.of(3, 5))
    counts = [KeepFraction(one.value).count(size) for one, size in zip(levels, (2, 3), strict=True)]
    assert counts == [1, 2]
    assert KeepFraction(method.overall_level(levels, [2, 3]).value).count(5) == 3


@pytest.mark.parametrize("method", RANKED)
@pytest.mark.parametrize("keep", [0.0, -0.1, 1.0001, float("nan"), float("inf")])
def test_an_impossible_fraction_is_refused(
    method: type[Magnitude] | type[Movement], keep: float
) -> None:
    with pytest.raises(ValueError, match=f"keep must be above 0 and at most 1, found {keep}"):
        method(keep=keep)


@pytest.mark.parametrize("method", RANKED)
@pytest.mark.parametrize("scope", ["Global", "", None, 1, ["local"]])
def test_an_unknown_scope_is_refused(
    method: type[Magnitude] | type[Movement], scope: object
) -> None:
    with pytest.raises(ValueError, match="scope must be 'local' or 'global', found"):
        method(scope=scope)  # type: ignore[arg-type]


def test_movement_cannot_do_without_scores() -> None:
    with pytest.raises(TypeError, match="learns scores"):
        Movement().mask(torch.zeros(2, 2), None, KeepFraction(0.5))
