"""Accuracy against bytes and milliseconds: measured before, or of the models that are reported."""

import json
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from fineprune.errors import CheckpointError
from fineprune.report.frontier.records import VERSION
from fineprune.report.machine import cpu_name
from fineprune.report.records import OURS, Frontier, ModelReport, Point
from fineprune.wording import quoted

_DAMAGED = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)


def read_frontier(file: Path) -> Frontier:
    """Reads what `fineprune frontier` wrote.

    Raises:
        CheckpointError: the file is damaged, or of a version that is not known here.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["version"] != VERSION:
            raise CheckpointError(
                f"{file} is of version {quoted(content['version'])}, and {VERSION} was expected: "
                "upgrade fineprune, or run `fineprune frontier` again"
            )
        machine = content["machine"]
        return Frontier(
            source=file.parent.name,
            task=str(content["task"]),
            split=str(content["split"]),
            metric=str(content["metric"]),
            rows=int(content["rows"]),
            cpu=str(machine["cpu"]),
            threads=int(machine["threads"]),
            instructions=str(machine["instructions"]),
            points=[_point(one) for one in content["points"]],
            words=[str(line) for line in content["in_words"]],
        )
    except _DAMAGED as error:
        said = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise CheckpointError(
            f"{file} is not as `fineprune frontier` writes it ({said}); run it again"
        ) from error


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
        source="the models of this report",
        task="as recorded when each was trained",
        split="validation",
        metric=shared[0],
        rows=first.examples,
        cpu=cpu_name(),
        threads=1,
        instructions=timed[0].instructions,
        points=points,
    )


def _point(one: Mapping[str, Any]) -> Point:
    per_second = one.get("texts_per_second")
    return Point(
        engine=str(one["engine"]),
        precision=str(one["precision"]),
        density=_finite(one["density"]),
        bits=None if one["bits"] is None else int(one["bits"]),
        embedding_bits=None if one["embedding_bits"] is None else int(one["embedding_bits"]),
        metrics={str(name): _finite(value) for name, value in one["metrics"].items()},
        bytes=int(one["bytes"]),
        milliseconds=_finite(one["milliseconds"]),
        texts_per_second=None if per_second is None else _finite(per_second),
    )


def _finite(value: Any) -> float:
    number = float(value)
    if not isfinite(number):
        raise ValueError(f"{number} is no measurement")
    return number


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
