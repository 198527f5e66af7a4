"""Pruning in a bare loop."""

from collections import defaultdict
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fineprune.core.control import Steering
from fineprune.errors import TargetError, TrainingError
from fineprune.pruning import (
    L0,
    Fisher,
    KeepFraction,
    Magnitude,
    Masks,
    Method,
    Movement,
    Pruner,
    PruningSchedule,
    SoftMovement,
    Threshold,
    attach,
    finalize,
    parameter_groups,
)
from tests.models import logits
from tests.oracles import sigmoid
from tests.pruning.bare_loop import (
    BEGIN,
    END,
    SCHEDULE,
    STEPS,
    Loop,
    begun,
    loss_of,
    model_without_dropout,
    run,
    sgd,
)

KEEP = 0.1
RANKED: dict[str, Method[Any]] = {
    f"{method.name} {scope}": method(keep=KEEP, scope=scope)
    for method in (Magnitude, Movement, Fisher, SoftMovement)
    for scope in ("local", "kind", "global")
}
EACH: dict[str, Method[Any]] = {
    "magnitude": Magnitude(keep=KEEP, scope="kind"),
    "movement": Movement(keep=KEEP),
    "fisher": Fisher(keep=KEEP),
    "soft movement": SoftMovement(keep=KEEP),
    "l0": L0(keep=KEEP),
    "soft movement with a lambda": SoftMovement(final_lambda=30.0, cut=0.4),
    "l0 with a lambda": L0(final_lambda=5.0),
    "threshold": Threshold(cut=0.1),
}
"""Every method, and those that take `keep` or a lambda with either."""


def expected_count(method: Method[Any], masks: Masks) -> int:
    """How many weights a ranking keeps in the end, counted once more."""
    scope = method.scope  # type: ignore[attr-defined]
    groups: dict[str, int] = defaultdict(int)
    for one in masks:
        groups[{"local": one.name, "kind": one.mask.kind, "global": ""}[scope]] += (
            one.weight.numel()
        )
    return sum(int(KEEP * size) for size in groups.values())


def assert_falls_gradually(loop: Loop, first: float = 1.0) -> None:
    """The density is reached where the schedule ends, step by step, and held."""
    reached = loop.densities[END - 1]
    assert loop.densities[: BEGIN - 1] == [1.0] * (BEGIN - 1)
    assert set(loop.densities[END - 1 :]) == {reached}
    falling = [first, *(one for one in loop.densities if one <= first)]
    drops = [before - after for before, after in pairwise(falling)]
    assert min(drops) >= 0
    assert max(drops) < (first - reached) / 3


@pytest.mark.parametrize("name", RANKED)
def test_a_ranking_ends_with_exactly_what_was_asked_for(name: str) -> None:
    loop = run(RANKED[name])
    kept = sum(int(one.mask.kept.sum()) for one in loop.masks)
    total = sum(one.weight.numel() for one in loop.masks)
    assert kept == expected_count(RANKED[name], loop.masks)
    assert loop.densities[-1] == kept / total
    assert_falls_gradually(loop, first=getattr(RANKED[name], "initial_keep", 1.0))
    before = logits(loop.model.eval())  # type: ignore[no-untyped-call]
    finalize(loop.model)
    torch.testing.assert_close(logits(loop.model), before)
    assert sum(int(torch.count_nonzero(one)) for one in pruned_weights(loop.model)) == kept


def pruned_weights(model: nn.Module) -> list[Tensor]:
    return [one for name, one in model.named_parameters() if ".layer." in name and one.ndim == 2]


@pytest.mark.parametrize(("keep", "rate"), [(0.3, 0.3), (0.1, 0.1), (0.05, 0.02)])
def test_gates_end_within_a_percent_of_what_was_asked_for(keep: float, rate: float) -> None:
    loop = run(L0(keep=keep), score_learning_rate=rate)
    assert loop.densities[-1] == pytest.approx(keep, rel=0.01)
    assert loop.densities[END - 1] == loop.densities[-1]
    total = sum(one.weight.numel() for one in loop.masks)
    finalize(loop.model)
    kept = sum(int(torch.count_nonzero(one)) for one in pruned_weights(loop.model))
    assert kept / total == pytest.approx(keep, rel=0.01)


def test_fisher_cuts_first_as_deep_as_it_says_and_then_gradually() -> None:
    loop = begun(Fisher(keep=KEEP, initial_keep=0.5))
    loop.steps(BEGIN - 1)
    assert loop.masks.density() == 1.0
    loop.steps(1)
    assert loop.masks.density() == 0.5
    loop.steps(END - BEGIN)
    assert loop.masks.density() == pytest.approx(KEEP, abs=1 / 3584)


def test_what_fisher_pruned_is_zero_and_never_comes_back() -> None:
    loop = begun(Fisher(keep=KEEP))
    before = [one.mask.kept.clone() for one in loop.masks]
    for _ in range(STEPS):
        loop.steps(1)
        for one, old in zip(loop.masks, before, strict=True):
            assert not (one.mask.kept & ~old).any()
            assert (one.weight[~one.mask.kept] == 0).all()
            old.copy_(one.mask.kept)
    assert all((one.weight[one.mask.kept] != 0).all() for one in loop.masks)


def test_pruned_weights_of_movement_come_back() -> None:
    loop = begun(Movement(keep=0.5), score_learning_rate=1.0)
    loop.steps(END)
    before = [one.mask.kept.clone() for one in loop.masks]
    loop.steps(STEPS - END)
    changed = [one.mask.kept & ~old for one, old in zip(loop.masks, before, strict=True)]
    assert any(one.any() for one in changed)


@pytest.mark.parametrize("name", [name for name in EACH if name != "fisher"])
def test_masks_are_moved_at_every_step(name: str) -> None:
    loop = begun(EACH[name])
    level = loop.masks.method.level_schedule(begin=BEGIN, end=END)
    for step in range(1, STEPS + 1):
        loop.steps(1)
        found = loop.masks.level
        loop.masks.update(loop.masks.method.level(level(step)))
        assert loop.masks.level == found
        assert loop.pruner.has_final_density == (step >= END)


def steps_with_new_masks(method: Method[Any], total: int) -> list[int]:
    """The steps after which masks were made anew; the level moves from 0.05 to 0.6 of them."""
    model = model_without_dropout()
    attach(model, method)
    optimizer = torch.optim.SGD(parameter_groups(model, learning_rate=0.0))
    pruner = Pruner(model, optimizer, total_steps=total, schedule=SCHEDULE)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    [first, *_] = pruner.masks
    found = []
    for step in range(1, total + 1):
        before = first.mask.kept._version
        pruner.step()
        if first.mask.kept._version != before:
            found.append(step)
    return found


def test_fisher_makes_masks_anew_some_forty_times() -> None:
    steps = steps_with_new_masks(Fisher(keep=KEEP), 400)
    assert 40 <= len(steps) <= 50
    assert (steps[0], steps[-1]) == (20, 240)


@pytest.mark.parametrize("method", [Magnitude(keep=KEEP), SoftMovement(keep=KEEP), L0(keep=KEEP)])
def test_what_can_come_back_is_ranked_a_hundred_times_and_on_to_the_end(
    method: Method[Any],
) -> None:
    steps = steps_with_new_masks(method, 1000)
    moving = [step for step in steps if 50 <= step <= 600]
    assert 100 <= len(moving) <= 125
    assert (moving[0], moving[-1]) == (50, 600)
    assert steps[-1] > 990
    assert max(np.diff(steps)) <= 6


def test_a_penalty_of_its_own_moves_masks_at_every_step() -> None:
    assert len(steps_with_new_masks(SoftMovement(final_lambda=400.0), 30)) == 30


# Penalties.


def formula(method: Method[Any], scores: list[Tensor]) -> Tensor:
    """The penalty, from the paper: of a method with a lambda, or with `keep`."""
    shift = 2 / 3 * float(np.log(0.1 / 1.1)) if isinstance(method, L0) else 0.0
    lifted = [torch.sigmoid(one.double() - shift) for one in scores]
    if getattr(method, "keep", None) is None:
        return torch.stack([one.mean() for one in lifted]).mean()
    return torch.cat([one.reshape(-1) for one in lifted]).mean()


PENALIZED = [name for name in EACH if name.startswith(("soft", "l0"))]


@pytest.mark.parametrize("name", PENALIZED)
def test_the_gradient_of_the_penalty_is_that_of_its_formula(name: str) -> None:
    loop = begun(EACH[name])
    loop.steps(BEGIN + 5)
    weight = loop.pruner.penalty_weight
    assert weight > 0
    scores = loop.masks.scores()
    penalty = loop.pruner.penalty()
    found = torch.autograd.grad(penalty, scores)
    expected = weight * formula(EACH[name], list(scores))
    assert penalty.item() == pytest.approx(expected.item(), rel=1e-5)
    for one, other in zip(found, torch.autograd.grad(expected, scores), strict=True):
        torch.testing.assert_close(one, other.float(), rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("name", ["movement", "magnitude", "fisher", "threshold"])
def test_others_have_no_penalty(name: str) -> None:
    loop = begun(EACH[name])
    loop.steps(BEGIN + 1)
    assert loop.pruner.penalty_weight == 0.0
    penalty = loop.pruner.penalty()
    assert penalty.item() == 0.0
    assert not penalty.requires_grad
    loop.pruner.add_penalty_gradient()
    assert all(one.grad is None for one in loop.masks.scores())


@pytest.mark.parametrize("name", PENALIZED)
@pytest.mark.parametrize("beside", [True, False])
def test_a_gradient_that_is_added_is_that_of_a_term_in_the_loss(name: str, beside: bool) -> None:
    loop = begun(EACH[name])
    loop.steps(BEGIN + 5)
    scores = loop.masks.scores()

    def loss() -> Tensor:
        return loss_of(loop.model, 99) if beside else (0.0 * next(loop.model.parameters())).sum()

    (loss() + loop.pruner.penalty()).backward()  # type: ignore[no-untyped-call]
    expected = [one.grad.clone() for one in scores if one.grad is not None]
    loop.optimizer.zero_grad()
    loss().backward()  # type: ignore[no-untyped-call]
    loop.pruner.add_penalty_gradient()
    found = [one.grad for one in scores if one.grad is not None]
    assert len(found) == len(expected) == len(scores)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-9)


def test_a_gradient_is_added_where_none_are_recorded() -> None:
    loop = begun(EACH["l0"])
    with torch.no_grad():
        loop.pruner.add_penalty_gradient()
    assert all(one.grad is not None for one in loop.masks.scores())


def test_lambda_follows_its_own_schedule() -> None:
    late = PruningSchedule(warmup_steps=10, initial_warmup=1, final_warmup=0.5)
    method = SoftMovement(final_lambda=8.0)
    loop = begun(method, penalty_schedule=late)
    expected = method.penalty_schedule(begin=10, end=STEPS - 5)
    for step in range(STEPS):
        assert loop.pruner.penalty_weight == expected(step)
        loop.steps(1)
    assert expected(STEPS) == 8.0


def test_lambda_follows_the_level_where_nothing_else_is_said() -> None:
    loop = begun(SoftMovement(keep=KEEP))
    expected = SoftMovement(keep=KEEP).penalty_schedule(begin=BEGIN, end=END)
    for step in range(STEPS):
        assert loop.pruner.penalty_weight == expected(step)
        loop.steps(1)


def test_a_controller_steers_lambda_by_the_share_of_open_gates() -> None:
    loop = begun(EACH["l0"])
    controller = EACH["l0"].controller
    assert controller is not None

    def share() -> float:
        shift = 2 / 3 * float(np.log(0.1 / 1.1))
        scores = np.concatenate([one.detach().numpy().reshape(-1) for one in loop.masks.scores()])
        return float(sigmoid(scores - shift).mean())

    expected: Steering = controller.start(share())
    for step in range(1, STEPS + 1):
        assert loop.masks.steering is not None
        assert loop.masks.steering.share == pytest.approx(expected.share, rel=1e-5)
        assert loop.pruner.penalty_weight == pytest.approx(expected.penalty_weight, rel=1e-9)
        last = loop.masks.steering
        loop.steps(1)
        expected = controller.steered(last, share(), step=step, begin=BEGIN, end=END)


# Freezing.


@pytest.mark.parametrize("name", EACH)
def test_frozen_masks_stay_and_scores_are_released(name: str) -> None:
    loop = begun(EACH[name], freeze_after=0.25)
    freeze = END + (STEPS - END) // 4
    loop.steps(freeze - 1)
    moving, scores = not loop.masks.frozen, loop.masks.scores()
    assert moving
    assert bool(scores) == EACH[name].learns_scores
    assert all(one in loop.optimizer.state for one in scores)
    loop.steps(1)
    assert loop.masks.frozen
    assert loop.masks.scores() == []
    held = [p for group in loop.optimizer.param_groups for p in group["params"]]
    released = {id(one) for one in scores}
    assert not released & {id(one) for one in held}
    assert not released & {id(one) for one in loop.optimizer.state}
    assert len(loop.optimizer.param_groups) == (3 if scores else 2)
    assert loop.pruner.penalty_weight == 0.0
    before = [one.mask.kept.clone() for one in loop.masks]
    weights = [one.weight.detach().clone() for one in loop.masks]
    loop.steps(STEPS - freeze)
    for one, mask, weight in zip(loop.masks, before, weights, strict=True):
        assert torch.equal(one.mask.kept, mask)
        assert (one.weight[~mask] == 0).all()
        # What is left recovers.
        assert torch.equal(one.weight, weight) == (not mask.any())


@pytest.mark.parametrize("name", EACH)
def test_masks_that_freeze_at_once_have_the_final_density(name: str) -> None:
    frozen, moving = begun(EACH[name], freeze_after=0.0), begun(EACH[name])
    frozen.steps(END)
    moving.steps(END)
    assert frozen.masks.frozen
    assert frozen.densities == moving.densities
    assert frozen.masks.level == moving.masks.level


def test_masks_that_never_freeze_go_on() -> None:
    loop = run(Movement(keep=KEEP))
    assert not loop.masks.frozen
    loop = run(Movement(keep=KEEP), freeze_after=1.0)
    assert loop.masks.frozen  # at the very end


@pytest.mark.parametrize("value", [-0.1, 1.1])
def test_an_impossible_freeze_is_refused(value: float) -> None:
    with pytest.raises(TrainingError, match=f"freeze_after must lie within 0 to 1, found {value}"):
        begun(Movement(), freeze_after=value)


# Going on.

FREEZE = END + 3


def assert_equal_states(found: Any, expected: Any, at: str = "") -> None:
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), at
        for key, one in expected.items():
            assert_equal_states(found[key], one, f"{at}.{key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), at
        for i, (one, other) in enumerate(zip(found, expected, strict=True)):
            assert_equal_states(one, other, f"{at}.{i}")
    elif isinstance(expected, Tensor):
        assert torch.equal(found, expected), at
    else:
        assert found == expected, at


@pytest.mark.parametrize("name", EACH)
def test_a_run_that_was_stopped_ends_as_it_would_have(name: str) -> None:
    stops = (7, END - 1, FREEZE - 1, FREEZE)
    whole, states = begun(EACH[name], freeze_after=0.25), {}
    for step in range(1, STEPS + 1):
        whole.steps(1)
        if step in stops:
            states[step] = whole.state()
    final = whole.state()
    assert whole.masks.frozen
    for step, state in states.items():
        resumed = begun(EACH[name], freeze_after=0.25, resume=(step, state))
        assert resumed.pruner.has_final_density == (step >= END)
        resumed.steps(STEPS - step)
        assert_equal_states(resumed.state(), final, f"{name} from {step}")
        assert resumed.densities == whole.densities[step:]


def test_a_run_with_an_optimizer_that_keeps_no_moments_goes_on_too() -> None:
    whole = begun(Fisher(keep=KEEP), make_optimizer=sgd)
    whole.steps(12)
    state = whole.state()
    whole.steps(STEPS - 12)
    resumed = begun(Fisher(keep=KEEP), make_optimizer=sgd, resume=(12, state))
    resumed.steps(STEPS - 12)
    assert_equal_states(resumed.state(), whole.state())


# Moments of gradients.


def test_fisher_goes_by_the_moments_that_adam_keeps() -> None:
    loop = begun(Fisher(keep=KEEP))
    loop.steps(9)
    expected = {}
    for one in loop.masks:
        moment = loop.optimizer.state[one.weight]["exp_avg_sq"]
        expected[one.name] = one.weight.detach().abs().double() * moment.double().sqrt()
        assert one.mask.second_moment is None
    assert not any("second_moment" in name for name in loop.model.state_dict())
    cut = sorted(torch.cat([one.reshape(-1) for one in expected.values()]).tolist())[-358]
    masks = loop.masks
    masks.update(KeepFraction(KEEP), loop.optimizer)
    for one in masks:
        certain = (expected[one.name] - cut).abs() > 1e-5 * cut
        assert torch.equal(one.mask.kept[certain], (expected[one.name] >= cut)[certain])


def test_fisher_keeps_moments_where_the_optimizer_keeps_none() -> None:
    loop = begun(Fisher(keep=KEEP), make_optimizer=sgd)
    [first, *_] = loop.masks
    expected: Tensor | None = None
    for step in range(END + 2):
        loss_of(loop.model, step).backward()  # type: ignore[no-untyped-call]
        assert first.weight.grad is not None
        squared = first.weight.grad.double() ** 2
        expected = squared if expected is None else 0.99 * expected + 0.01 * squared
        loop.optimizer.step()
        loop.pruner.step()
        loop.optimizer.zero_grad()
        if step == END - 1:
            final = expected
    assert first.mask.second_moment is not None
    # Nothing is observed any longer once the density is reached.
    torch.testing.assert_close(first.mask.second_moment.double(), final, rtol=1e-4, atol=1e-12)
    assert loop.masks.density() == pytest.approx(KEEP, abs=1 / 3584)


def test_gradients_that_were_cleared_before_are_noticed() -> None:
    loop = begun(Fisher(keep=KEEP), make_optimizer=sgd)
    loss_of(loop.model, 0).backward()  # type: ignore[no-untyped-call]
    loop.optimizer.step()
    loop.optimizer.zero_grad()
    with pytest.raises(
        TrainingError,
        match=r"fisher ranks weights by their gradients, and bert.* has none: call Pruner\.step\(\)"
        r" after optimizer\.step\(\) and before optimizer\.zero_grad\(\)",
    ):
        loop.pruner.step()


def test_masks_cannot_be_made_before_there_are_gradients() -> None:
    masks = attach(model_without_dropout(), Fisher())
    with pytest.raises(TrainingError, match="ranks weights by their gradients, and no step was"):
        masks.set_level(KeepFraction(0.5))


# What does not fit.


def test_a_loop_that_forgets_the_pruner_is_stopped() -> None:
    loop = begun(Movement(keep=KEEP))
    loss_of(loop.model, 0).backward()  # type: ignore[no-untyped-call]
    loop.optimizer.step()
    with pytest.raises(TrainingError, match="the model was changed after its masks were made"):
        loss_of(loop.model, 1)


def test_accumulated_batches_need_one_step_of_the_pruner() -> None:
    loop = begun(L0(keep=KEEP))
    for step in range(3):
        for part in range(4):
            loss_of(loop.model, 4 * step + part).backward()  # type: ignore[no-untyped-call]
        loop.pruner.add_penalty_gradient()
        loop.optimizer.step()
        loop.pruner.step()
        loop.optimizer.zero_grad()


def test_a_model_without_masks_is_refused() -> None:
    model = model_without_dropout()
    optimizer = torch.optim.AdamW(model.parameters())
    with pytest.raises(TargetError, match="has no masks"):
        Pruner(model, optimizer, total_steps=STEPS)


def test_a_schedule_that_does_not_fit_is_refused() -> None:
    with pytest.raises(TrainingError, match=r"warmup_steps=10: the run has 30 steps, and"):
        begun(Movement(), schedule=PruningSchedule(warmup_steps=10, final_warmup=4))
    with pytest.raises(TrainingError, match=r"warmup_steps=100: the run has 30 steps, and"):
        begun(Movement(), penalty_schedule=PruningSchedule(warmup_steps=100))
