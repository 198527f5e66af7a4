"""Where the milliseconds of a model are, in the engine on this machine."""

import statistics
import time
from collections.abc import Callable

import numpy as np

from fineprune.engine import Engine, MatrixPlan
from fineprune.engine.native import Precision
from fineprune.engine.plan import MEASURED_TOKENS, Form
from fineprune.report.names import MatrixName
from fineprune.report.records import Duration, LayerTime, MatrixTime
from fineprune.report.source import Opened

_LEAST_SECONDS, _LEAST_RUNS = 0.3, 5  # of a median
_VOCABULARY = 30522


def measure_duration(model: Opened, precision: Precision) -> Duration:
    """Times one text on one thread, and takes the plan apart.

    The text is as long as what the plan multiplies with, and the time is that which the thread has
    a CPU, as in the plan: so they can be held against each other, on a busy machine as well.

    Args:
        model: as a packed file.
        precision: of the engine.

    Raises:
        FinepruneError: the engine does not run the model.
    """
    engine = Engine(model.file, threads=1, precision=precision)
    vocabulary = model.packed.config.get("vocab_size", _VOCABULARY)
    ids = np.random.default_rng(0).integers(5, max(6, vocabulary), (1, MEASURED_TOKENS))
    ids = np.minimum(ids, vocabulary - 1)
    whole = _median(lambda: engine.run(ids))
    plans = engine.plan()
    matrices = [_matrix(plan) for plan in plans]
    linears = sum(one.milliseconds for one in matrices)
    return Duration(
        tokens=MEASURED_TOKENS,
        arithmetic=engine.arithmetic,
        instructions=engine.instruction_set,
        whole=whole,
        linears=linears,
        rest=max(0.0, whole - linears),
        layers=_by_layer(plans),
        matrices=matrices,
    )


def _median(run: Callable[[], object]) -> float:
    """Milliseconds of a run."""
    run()
    seconds: list[float] = []
    while len(seconds) < _LEAST_RUNS or sum(seconds) < _LEAST_SECONDS:
        start = time.thread_time()
        run()
        seconds.append(time.thread_time() - start)
    return 1e3 * statistics.median(seconds)


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


def _by_layer(plans: tuple[MatrixPlan, ...]) -> list[LayerTime]:
    found: dict[int, list[float]] = {}
    for plan in plans:
        name = MatrixName.of(plan.name)
        if name.layer is not None:
            sums = found.setdefault(name.layer, [0.0, 0.0])
            sums[0 if name.part.startswith("attention") else 1] += _milliseconds(plan)
    return [LayerTime(layer, *sums) for layer, sums in sorted(found.items())]
