"""The controller of the penalty, on plants whose answer to lambda is known."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from fineprune.core.control import PenaltyController, Steering

BEGIN, END, STEPS = 50, 600, 1000

Speed = Callable[[float], float]
"""How fast log(share) falls at a penalty of some weight, a step."""


@dataclass
class Course:
    """What a simulated run went through, step by step."""

    shares: list[float] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)


def simulated(
    speed: Speed, *, target: float, start: float = 0.97, inertia: float = 0.0, end: int = END
) -> Course:
    """A run whose share falls at a speed that depends on lambda, after some delay if inert."""
    controller = PenaltyController(target)
    steering = controller.start(start)
    share, falling, course = start, 0.0, Course()
    for step in range(1, STEPS + 1):
        falling = inertia * falling + (1 - inertia) * speed(steering.penalty_weight)
        share = min(1.0, share * math.exp(-falling))
        steering = controller.steered(steering, share, step=step, begin=BEGIN, end=end)
        course.shares.append(share)
        course.weights.append(steering.penalty_weight)
    return course


def pulled(scale: float, against: float = 0.003) -> Speed:
    """A speed that saturates around `scale`; the loss pulls the other way."""
    return lambda weight: 0.02 * weight / (weight + scale) - against


@pytest.mark.parametrize("target", [0.3, 0.1, 0.03])
@pytest.mark.parametrize("scale", [1e-1, 1.0, 1e1, 1e2, 1e3, 1e4])
@pytest.mark.parametrize("inertia", [0.0, 0.95])
def test_the_share_comes_to_its_target_and_stays(
    scale: float, target: float, inertia: float
) -> None:
    course = simulated(pulled(scale), target=target, inertia=inertia)
    # Nearly there in time, there soon after, and never below by more than a percent.
    assert course.shares[END - 1] == pytest.approx(target, rel=0.2)
    for share in course.shares[END + 100 :]:
        assert share == pytest.approx(target, rel=0.03)
    assert min(course.shares) > 0.99 * target


def test_a_plant_that_does_not_answer_for_long_does_not_wind_the_controller_up() -> None:
    # Lambda has to grow a thousandfold before anything moves at all.
    course = simulated(lambda weight: 0.02 if weight > 1000 else -0.001, target=0.1)
    assert max(course.weights) < 5000
    assert min(course.shares) > 0.08
    for share in course.shares[END:]:
        assert share == pytest.approx(0.1, rel=0.2)


def test_nothing_moves_before_the_beginning() -> None:
    controller = PenaltyController(0.1)
    steering = controller.start(0.9)
    assert steering == Steering(1.0, 0.9)
    for step in range(1, BEGIN + 1):
        steering = controller.steered(steering, 0.8, step=step, begin=BEGIN, end=END)
        assert steering == Steering(1.0, 0.8)


def test_lambda_grows_where_the_share_falls_too_slowly_and_shrinks_where_too_fast() -> None:
    controller = PenaltyController(0.1)
    last = Steering(5.0, 0.5)
    needed = math.log(0.5 / 0.1) / 400
    for factor, grows in ((0.0, True), (0.9, True), (1.2, False), (3.0, False)):
        share = 0.5 * math.exp(-factor * needed)
        found = controller.steered(last, share, step=200, begin=0, end=600)
        assert (found.penalty_weight > 5.0) == grows, factor
        assert found.share == share


def test_lambda_can_grow_ten_thousandfold_in_a_fifth_of_the_steps() -> None:
    course = simulated(lambda weight: 0.0, target=0.1)
    assert course.weights[BEGIN + (END - BEGIN) // 5 - 1] == pytest.approx(1e4, rel=0.1)


@pytest.mark.parametrize("length", [1, 2, 5])
def test_a_window_of_few_steps_is_no_division_by_zero(length: int) -> None:
    course = simulated(pulled(1.0), target=0.1, end=BEGIN + length)
    assert all(math.isfinite(weight) for weight in course.weights[: BEGIN + 2 * length])
