"""Magnitude, Movement and Fisher: the methods that rank weights."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fineprune.pruning import Fisher, KeepFraction, Magnitude, Movement
from fineprune.pruning.methods.ranked import RankedMethod
from tests.oracles import first_largest, first_largest_overall
from tests.pruning.methods.matrices import decided, matrix

RANKED: tuple[type[RankedMethod], ...] = (Magnitude, Movement, Fisher)


def tensors(seed: int, shape: tuple[int, int], distinct: int) -> tuple[Tensor, Tensor]:
    """Weight and scores; of the scores only so many differ, so that some are equal."""
    random = np.random.default_rng(seed)
    weight = torch.from_numpy(random.normal(size=shape).round(1).astype(np.float32))
    scores = torch.from_numpy(random.integers(-distinct, distinct, shape).astype(np.float32))
    return weight, scores


SHAPES = st.tuples(st.integers(1, 8), st.integers(1, 8))


@given(st.integers(0, 2**32), SHAPES, st.integers(1, 20), st.floats(0, 1))
def test_movement_keeps_the_top_of_the_scores_and_magnitude_that_of_absolute_weights(
    seed: int, shape: tuple[int, int], distinct: int, fraction: float
) -> None:
    weight, scores = tensors(seed, shape, distinct)
    count = int(fraction * scores.numel())
    by_score = decided(Movement(), matrix(weight, scores), KeepFraction(fraction))
    np.testing.assert_array_equal(by_score.mask.numpy(), first_largest(scores.numpy(), count))
    by_size = decided(Magnitude(), matrix(weight), KeepFraction(fraction))
    expected = first_largest(np.abs(weight.numpy()), count)
    np.testing.assert_array_equal(by_size.mask.numpy(), expected)


@pytest.mark.parametrize("kept", [0, 1, 7, 8, 63, 64])
def test_equal_scores_are_kept_in_row_major_order(kept: int) -> None:
    one = matrix(torch.randn(8, 8), torch.zeros(8, 8))
    mask = decided(Movement(), one, KeepFraction.of(kept, 64)).mask
    assert mask.reshape(-1).tolist() == [True] * kept + [False] * (64 - kept)


def test_magnitude_passes_gradients_to_kept_weights_only() -> None:
    torch.manual_seed(0)
    weight = torch.randn(4, 5, requires_grad=True)
    gradient = torch.randn(4, 5)
    method, level = Magnitude(), KeepFraction(0.5)
    mask = decided(method, matrix(weight), level).mask
    masked = method.masked_weight(weight, None, mask, level)
    masked.backward(gradient)  # type: ignore[no-untyped-call]
    kept = first_largest(np.abs(weight.detach().numpy()), 10)
    assert weight.grad is not None
    np.testing.assert_array_equal(masked.detach().numpy(), weight.detach().numpy() * kept)
    np.testing.assert_array_equal(weight.grad.numpy(), gradient.numpy() * kept)


def test_movement_moves_the_scores_of_all_weights() -> None:
    torch.manual_seed(0)
    weight, scores = torch.randn(4, 5), torch.randn(4, 5, requires_grad=True)
    gradient = torch.randn(4, 5)
    method, level = Movement(), KeepFraction(0.5)
    mask = decided(method, matrix(weight, scores), level).mask
    masked = method.masked_weight(weight, scores, mask, level)
    masked.backward(gradient)  # type: ignore[no-untyped-call]
    assert scores.grad is not None
    assert torch.equal(scores.grad, gradient * weight)


def test_a_weight_that_training_moves_away_from_zero_comes_back() -> None:
    weight = torch.tensor([[1.0, -1.0, 1.0]])
    scores = torch.tensor([[1.0, 0.5, 0.0]], requires_grad=True)
    method, level = Movement(), KeepFraction.of(1, 3)
    mask = decided(method, matrix(weight, scores), level).mask
    assert mask.tolist() == [[True, False, False]]
    for _ in range(3):
        # The loss wants the second weight to fall further and the first one to shrink.
        masked = method.masked_weight(weight, scores, mask, level)
        masked.backward(torch.tensor([[1.0, 1.0, 0.0]]))  # type: ignore[no-untyped-call]
        with torch.no_grad():
            assert scores.grad is not None
            scores -= 0.1 * scores.grad
            scores.grad = None
    assert decided(method, matrix(weight, scores), level).mask.tolist() == [[False, True, False]]


def test_fisher_keeps_what_the_loss_would_feel_most() -> None:
    random = np.random.default_rng(0)
    weight, moment = random.normal(size=(20, 30)), random.gamma(0.5, size=(20, 30))
    one = matrix(torch.from_numpy(weight).float(), moment=torch.from_numpy(moment).float())
    found = Fisher().importance(one)
    np.testing.assert_allclose(found.numpy(), np.sqrt(weight**2 * moment), rtol=1e-5)
    mask = decided(Fisher(), one, KeepFraction(0.3)).mask
    np.testing.assert_array_equal(mask.numpy(), first_largest(weight**2 * moment, 180))


def test_fisher_tells_tiny_gradients_apart() -> None:
    # w^2 v underflows in float32: 1e-6 ** 2 * 1e-36.
    weight = torch.full((1, 3), 1e-6)
    moment = torch.tensor([[1e-36, 4e-36, 2e-36]])
    mask = decided(Fisher(), matrix(weight, moment=moment), KeepFraction.of(1, 3)).mask
    assert mask.tolist() == [[False, True, False]]


def test_fisher_never_brings_back_what_it_pruned() -> None:
    weight, moment = torch.tensor([[9.0, 0.0, 0.0, 1.0]]), torch.ones(1, 4)
    pruned = torch.tensor([[False, True, True, True]])
    one = matrix(weight, mask=pruned, moment=moment)
    mask = decided(Fisher(), one, KeepFraction.of(2, 4)).mask
    # Those of size 0 were not pruned, and the one of size 9 was.
    assert mask.tolist() == [[False, True, False, True]]


def test_fisher_ranks_bfloat16_weights_in_float32() -> None:
    torch.manual_seed(0)
    weight, moment = torch.randn(5, 6).bfloat16(), torch.rand(5, 6)
    found = Fisher().importance(matrix(weight, moment=moment))
    assert found.dtype == torch.float32
    np.testing.assert_allclose(
        found.numpy(), np.abs(weight.double().numpy()) * np.sqrt(moment.numpy()), rtol=1e-6
    )


def test_fisher_needs_gradients() -> None:
    with pytest.raises(TypeError, match="ranks weights by their gradients"):
        decided(Fisher(), matrix(torch.zeros(2, 2)), KeepFraction(0.5))


@pytest.mark.parametrize("scope", ["local", "kind", "global"])
@pytest.mark.parametrize("method", [Magnitude, Fisher])
def test_the_scope_says_who_competes(scope: str, method: type[RankedMethod]) -> None:
    random = np.random.default_rng(0)
    sizes = [random.normal(size=(6, 7), scale=1 + i).astype(np.float32) for i in range(4)]
    matrices = [
        matrix(torch.from_numpy(one), moment=torch.ones(6, 7), kind=kind)
        for one, kind in zip(sizes, ("a", "b", "a", "b"), strict=True)
    ]
    chosen = method(scope=scope)  # type: ignore[arg-type]
    found = [one.mask.numpy() for one in chosen.settle(matrices, KeepFraction(0.3))]
    groups = {"local": [[0], [1], [2], [3]], "kind": [[0, 2], [1, 3]], "global": [[0, 1, 2, 3]]}
    for group in groups[scope]:
        ranked = [np.abs(sizes[i]) for i in group]
        expected = first_largest_overall(list(ranked), int(0.3 * 42 * len(group)))
        for i, mask in zip(group, expected, strict=True):
            np.testing.assert_array_equal(found[i], mask)


@pytest.mark.parametrize("method", RANKED)
def test_levels(method: type[RankedMethod]) -> None:
    chosen = method(keep=0.15, initial_keep=1.0)
    assert chosen.initial_level == chosen.initial_matrix_level == KeepFraction(1.0)
    assert chosen.final_level == KeepFraction(0.15)
    assert chosen.level(0.5) == KeepFraction(0.5)
    assert chosen.matrix_level(0.5) == KeepFraction(0.5)
    schedule = chosen.level_schedule(begin=10, end=20)
    middle = pytest.approx(0.15 + 0.85 / 8)
    assert [schedule(step) for step in (0, 10, 15, 20, 30)] == [1.0, 1.0, middle, 0.15, 0.15]
    assert chosen.penalty_schedule(begin=10, end=20)(15) == 0.0
    assert chosen.penalty([torch.zeros(2, 2)]) is None
    assert chosen.controller is None


@pytest.mark.parametrize("method", RANKED)
def test_the_first_cut_is_as_deep_as_it_is_said_to_be(method: type[RankedMethod]) -> None:
    schedule = method(keep=0.1, initial_keep=0.4).level_schedule(begin=10, end=20)
    middle = pytest.approx(0.1 + 0.3 / 8)
    assert [schedule(step) for step in (0, 9, 10, 15, 20)] == [1.0, 1.0, 0.4, middle, 0.1]


def test_fisher_s_defaults_are_those_it_was_tried_with() -> None:
    method = Fisher()
    assert (method.scope, method.initial_keep) == ("global", 0.5)
    assert method.prunes_in_place
    assert method.needs_second_moment
    assert not method.learns_scores
    assert method.initial_scores(torch.zeros(2, 2)) is None


def test_movement_cannot_do_without_scores() -> None:
    with pytest.raises(TypeError, match="learns scores"):
        decided(Movement(), matrix(torch.zeros(2, 2)), KeepFraction(0.5))


@pytest.mark.parametrize("method", RANKED)
def test_impossible_settings_are_refused(method: type[RankedMethod]) -> None:
    for settings, message in (
        ({"keep": 0.0}, r"keep must be above 0 and at most 1, found 0\.0"),
        ({"scope": "all"}, "scope must be one of 'local', 'kind', 'global'; found 'all'"),
        ({"share_floor": 1.1}, r"share_floor must lie within 0 to 1, found 1\.1"),
        ({"initial_keep": 0.0}, r"initial_keep must be above 0 and at most 1, found 0\.0"),
    ):
        with pytest.raises(ValueError, match=message):
            method(**settings)
