"""Runs that pass through several densities: which steps belong to which, and at what level."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fineprune.errors import TrainingError
from fineprune.pruning import (
    L0,
    Fisher,
    Magnitude,
    Method,
    Movement,
    Pruner,
    PruningSchedule,
    SoftMovement,
    attach,
    parameter_groups,
)
from fineprune.pruning.stages import level_schedules, stages_of
from tests.pruning.bare_loop import model_without_dropout

SCHEDULE = PruningSchedule(warmup_steps=0.1, initial_warmup=1, final_warmup=3)
DENSITIES = (0.4, 0.2, 0.1)


def test_one_density_has_the_whole_run() -> None:
    [stage] = stages_of(SCHEDULE, 100)
    assert (stage.start, stage.begin, stage.end, stage.stop) == (0, 10, 70, 100)


def test_the_first_stage_is_twice_as_long_as_the_others() -> None:
    stages = stages_of(SCHEDULE, 400, 3)
    assert [(s.start, s.begin, s.end, s.stop) for s in stages] == [
        (0, 20, 140, 200),
        (200, 210, 270, 300),
        (300, 310, 370, 400),
    ]


@given(st.integers(60, 5000), st.integers(1, 8))
def test_stages_follow_each_other_to_the_end(total: int, densities: int) -> None:
    stages = stages_of(PruningSchedule(), total, densities)
    assert (stages[0].start, stages[-1].stop, len(stages)) == (0, total, densities)
    for stage in stages:
        assert stage.start <= stage.begin < stage.end <= stage.stop
    for stage, later in pairwise(stages):
        assert stage.stop == later.start


def test_a_run_too_short_for_its_stages() -> None:
    with pytest.raises(TrainingError, match="train longer"):
        stages_of(PruningSchedule(warmup_steps=10), 100, 4)


@pytest.mark.parametrize(
    "method", [Magnitude(keep=0.1), Fisher(keep=0.1), Movement(keep=0.1), SoftMovement(keep=0.1)]
)
def test_every_stage_ends_at_its_density(method: Method[Any]) -> None:
    stages = stages_of(SCHEDULE, 400, 3)
    schedules = level_schedules(method, stages, DENSITIES)
    before = 1.0
    for stage, schedule, density in zip(stages, schedules, DENSITIES, strict=True):
        assert schedule(stage.end) == pytest.approx(density, abs=1e-12)
        assert schedule(stage.stop) == density
        middle = schedule((stage.begin + stage.end) // 2)
        assert density < middle < before
        before = density


@pytest.mark.parametrize(
    ("method", "densities", "message"),
    [
        (L0(keep=0.1), (0.2, 0.1), "l0 cannot pass through several densities"),
        (SoftMovement(final_lambda=1.0), (0.2, 0.1), "soft_movement cannot pass"),
        (Fisher(keep=0.1), (0.1, 0.2), "densities must fall"),
        (Fisher(keep=0.1), (0.1, 0.1), "densities must fall"),
        (Fisher(keep=0.1), (1.5, 0.1), "at most 1"),
        (Fisher(keep=0.1), (0.2, 0.05), "keep is 0.1, and the densities end at 0.05"),
    ],
)
def test_densities_that_cannot_be(
    method: Method[Any], densities: tuple[float, ...], message: str
) -> None:
    with pytest.raises(TrainingError, match=message):
        level_schedules(method, stages_of(SCHEDULE, 400, len(densities)), densities)


@pytest.mark.parametrize("method", [Magnitude(keep=0.1), Fisher(keep=0.1), SoftMovement(keep=0.1)])
def test_a_model_has_each_density_when_its_stage_stops(method: Method[Any]) -> None:
    model = model_without_dropout()
    attach(model, method)
    optimizer = torch.optim.AdamW(parameter_groups(model, learning_rate=1e-3))
    pruner = Pruner(
        model, optimizer, total_steps=200, schedule=SCHEDULE, densities=DENSITIES, freeze_after=0.5
    )
    generator = torch.Generator().manual_seed(0)
    found, final = {}, []
    for step in range(1, 201):
        for parameter in model.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimizer.step()
        pruner.step()
        found[step] = pruner.masks.density()
        final.append(pruner.has_final_density)
    size = sum(one.weight.numel() for one in pruner.masks)
    for stage, density in zip(pruner.stages, DENSITIES, strict=True):
        held = {found[step] for step in range(stage.end, stage.stop + 1)}
        assert len(held) == 1
        assert held.pop() == pytest.approx(density, abs=len(pruner.masks) / size)
    assert all(found[step + 1] <= found[step] for step in range(1, 200))
    assert final.index(True) + 1 == pruner.stages[-1].end
    assert pruner.masks.frozen


@pytest.mark.parametrize("keep", [0.6, 0.9])
def test_a_first_cut_below_the_density_is_none(keep: float) -> None:
    # Fisher's first cut leaves half; more than that is to be kept.
    level = Fisher(keep=keep).level_schedule(begin=10, end=20)
    assert [level(9), level(10), level(15), level(20)] == [1.0, keep, pytest.approx(keep), keep]
