"""What decides between sparse and dense."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from fineprune import SparseTensor
from fineprune.engine.plan import Planner


@dataclass
class Timed:
    """A matrix that takes so long."""

    take: Callable[[], float]
    calls: list[str]
    name: str

    def seconds(self, tokens: int, repeats: int) -> float:
        self.calls.append(self.name)
        return min(self.take() for _ in range(repeats))


class FakeArithmetic:
    """Makes matrices whose measured times are given, and disturbed."""

    precision = "float32"

    def __init__(self, sparse: float, dense: float, noise: Iterator[float]) -> None:
        self._times = {"sparse": sparse, "dense": dense}
        self._noise = noise
        self.calls: list[str] = []

    def _make(self, name: str) -> Any:
        return Timed(lambda: self._times[name] * next(self._noise), self.calls, name)

    def sparse(self, tensor: Any) -> Any:
        return self._make("sparse")

    def dense(self, tensor: Any) -> Any:
        return self._make("dense")


def disturbed(seed: int) -> Iterator[float]:
    """A measurement takes up to 3% longer than it should, and every third one up to 1.5 times."""
    random = np.random.default_rng(seed)
    while True:
        yield 1 + 0.03 * random.random() + (0.5 * random.random() if random.random() < 0.3 else 0)


def matrix(density: float = 0.5) -> SparseTensor:
    values = (np.random.default_rng(0).random((40, 40)) < density).astype(np.float32)
    return SparseTensor.of((40, 40), values, None)


def kinds(sparse: float, dense: float, seeds: int = 20) -> set[str]:
    """What is chosen, over so many loads."""
    chosen: set[str] = set()
    for seed in range(seeds):
        planner = Planner(FakeArithmetic(sparse, dense, disturbed(seed)))  # type: ignore[arg-type]
        planner.choose("weight", matrix())
        chosen.add(planner.plans[0].kind)
    return chosen


@pytest.mark.parametrize(
    ("sparse", "dense", "kind"),
    [
        (0.1, 1.0, "sparse"),
        (0.8, 1.0, "sparse"),
        (1.0, 1.0, "sparse"),
        (1.04, 1.0, "sparse"),  # less than 1.1 times as fast: not worth it
        (1.2, 1.0, "dense"),
        (3.0, 1.0, "dense"),
    ],
)
def test_loads_give_one_plan(sparse: float, dense: float, kind: str) -> None:
    assert kinds(sparse, dense) == {kind}


def test_what_is_clear_is_measured_once() -> None:
    arithmetic = FakeArithmetic(0.1, 1.0, disturbed(0))
    planner = Planner(arithmetic)  # type: ignore[arg-type]
    for name in ("a", "b", "c"):
        planner.choose(name, matrix())
    planner.choose("sparser", matrix(0.1))
    twice = 2  # with 16 tokens and with 64
    assert arithmetic.calls == twice * ["sparse"] + twice * ["dense"] + twice * ["sparse"]


def test_the_reason_says_why_the_slower_one_was_chosen() -> None:
    planner = Planner(FakeArithmetic(1.05, 1.0, iter(lambda: 1.0, 2.0)))  # type: ignore[arg-type]
    planner.choose("weight", matrix())
    times = "1050.000 ms sparse against 1000.000 ms dense"
    said = f"{times} for 64 tokens, {times} for 16, less than 1.1 times as fast"
    assert planner.plans[0].reason.endswith(said)


def test_short_and_long_inputs_count_alike() -> None:
    """Dense is 1.3 times as fast with 64 tokens, and half as fast with 16."""
    arithmetic = FakeArithmetic(1.0, 1.0, iter(lambda: 1.0, 2.0))
    dense = arithmetic.dense(None)
    dense.seconds = lambda tokens, repeats: 2.0 if tokens == 16 else 1 / 1.3
    arithmetic.dense = lambda tensor: dense  # type: ignore[method-assign]
    planner = Planner(arithmetic)  # type: ignore[arg-type]
    planner.choose("weight", matrix())
    assert planner.plans[0].kind == "sparse"
