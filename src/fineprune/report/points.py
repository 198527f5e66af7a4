"""The models that are reported, as points: accuracy against bytes and milliseconds."""

from collections.abc import Sequence

from fineprune.report.frontier.records import OURS, Frontier, Machine, Point
from fineprune.report.machine import cpu_name
from fineprune.report.records import ModelReport


def frontier_of(models: Sequence[ModelReport], dense: ModelReport | None) -> Frontier | None:
    """The reported models as points, by what was recorded of them and measured just now.

    Args:
        models: that are reported.
        dense: what they are compared with; None without.

    Returns:
        None where no model was timed, or they have no metric in common.
    """
    first, *others = models
    shared = [name for name in first.metrics if all(name in one.metrics for one in others)]
    timed = [one.duration for one in models if one.duration]
    if not shared or not timed:
        return None
    points = [_point_of(model) for model in models]
    if dense:
        points.append(_dense_point(dense))
    return Frontier(
        source="this report",
        task="recorded when each was trained",
        split="validation",
        metric=shared[0],
        rows=first.examples,
        machine=Machine(cpu_name(), 1, timed[0].instructions),
        points=points,
    )


def _point_of(model: ModelReport) -> Point:
    return Point(
        engine=OURS,
        precision=model.duration.arithmetic if model.duration else "",
        density=model.density,
        bits=model.bits,
        embedding_bits=model.embedding_bits,
        metrics=model.metrics,
        bytes=model.packed_bytes,
        milliseconds=model.duration.whole if model.duration else None,
        texts_per_second=None,
    )


def _dense_point(dense: ModelReport) -> Point:
    """The model before pruning: as large as it was, in the same engine."""
    return Point(
        engine=OURS,
        precision=dense.duration.arithmetic if dense.duration else "",
        density=dense.density,
        bits=None,
        embedding_bits=None,
        metrics=dense.metrics,
        bytes=dense.dense_bytes,
        milliseconds=dense.duration.whole if dense.duration else None,
        texts_per_second=None,
    )
