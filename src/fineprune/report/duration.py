"""Where the milliseconds of a model are, in the engine on this machine."""

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import TypeVar

import numpy as np

from fineprune.engine import MatrixPlan
from fineprune.engine.model import build_model
from fineprune.engine.native import (
    Precision,
    check_precision,
    choose_instruction_set,
    require_native,
)
from fineprune.engine.plan import MEASURED_TOKENS, Form
from fineprune.report.names import MatrixName
from fineprune.report.records import Duration, LayerTime, MatrixTime
from fineprune.report.source import Opened

Result = TypeVar("Result")

_LEAST_SECONDS, _LEAST_RUNS = 0.3, 5  # of a median


def measure_duration(opened: Opened, precision: Precision) -> Duration:
    """Times one text on one thread, and takes the plan apart.

    The text is as long as what the plan multiplies with, and the time is that which the thread has
    a CPU, as in the plan: so they can be held against each other, on a busy machine as well.

    Args:
        opened: the model, packed.
        precision: of the engine.

    Raises:
        FinepruneError: the engine does not run the model.
    """
    require_native()
    instructions = choose_instruction_set()
    check_precision(precision, instructions)
    model = build_model(opened.packed, precision, instructions, threads=1)
    vocabulary = model.rules.vocabulary
    ids = np.random.default_rng(0).integers(0, vocabulary, (1, MEASURED_TOKENS))
    whole = median(_repeated(lambda: _seconds(lambda: model.run(ids, None, None))))
    phases = _repeated(lambda: model.phase_seconds(ids))
    attention = [1e3 * median(run[1 + 2 * i] for run in phases) for i in range(len(phases[0]) // 2)]
    plans = model.plan.planner.plans
    linears = sum(_milliseconds(plan) for plan in plans)
    return Duration(
        tokens=MEASURED_TOKENS,
        arithmetic=model.plan.arithmetic.precision,
        instructions=instructions,
        whole=1e3 * whole,
        linears=linears,
        attention=sum(attention),
        rest=max(0.0, 1e3 * whole - linears - sum(attention)),
        layers=_by_layer(plans, attention),
        matrices=[_matrix(plan) for plan in plans],
    )


def _repeated(measure: Callable[[], Result]) -> list[Result]:
    """What is measured, several times, after one that warms up."""
    measure()
    found: list[Result] = []
    start = time.monotonic()
    while len(found) < _LEAST_RUNS or time.monotonic() - start < _LEAST_SECONDS:
        found.append(measure())
    return found


def _seconds(run: Callable[[], object]) -> float:
    """For how long this thread has a CPU in a run."""
    start = time.thread_time()
    run()
    return time.thread_time() - start


def _matrix(plan: MatrixPlan) -> MatrixTime:
    return MatrixTime(
        name=str(MatrixName.of(plan.name)),
        form=plan.kind,
        precision=plan.precision,
        milliseconds=_milliseconds(plan),
        reason=plan.reason,
    )


def _milliseconds(plan: MatrixPlan) -> float:
    return plan.milliseconds.get(Form(plan.precision, plan.kind), 0.0)


def _by_layer(plans: Sequence[MatrixPlan], attention: Sequence[float]) -> list[LayerTime]:
    linears = [[0.0, 0.0] for _ in attention]
    for plan in plans:
        name = MatrixName.of(plan.name)
        if name.layer is not None:
            linears[name.layer][not name.part.startswith(("attention", "attn"))] += _milliseconds(
                plan
            )
    return [
        LayerTime(layer, in_attention, in_feed_forward, between)
        for layer, ((in_attention, in_feed_forward), between) in enumerate(
            zip(linears, attention, strict=True)
        )
    ]
