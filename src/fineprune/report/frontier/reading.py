"""Frontiers that were measured before."""

import json
from collections.abc import Mapping
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import Any

from fineprune.errors import CheckpointError
from fineprune.report.frontier.findings import in_words
from fineprune.report.frontier.records import VERSION, Frontier, Machine, Point
from fineprune.wording import quoted

_DAMAGED = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)


def read_frontier(file: Path) -> Frontier:
    """Reads what `fineprune frontier` wrote.

    Raises:
        CheckpointError: the file is damaged, or of a version that is not known here.
    """
    try:
        return frontier_from(json.loads(file.read_text(encoding="utf-8")), file.parent.name)
    except _DAMAGED as error:
        said = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise CheckpointError(
            f"{file} is not as `fineprune frontier` writes it ({said}); run it again"
        ) from error


def frontier_from(record: Mapping[str, Any], source: str) -> Frontier:
    """A frontier of what its `record` was. What it says in words follows from its points.

    Args:
        record: as JSON types.
        source: of it, for messages and readers.

    Raises:
        CheckpointError: it is of a version that is not known here.
        ValueError: a value is damaged; other errors of Python's, where others are.
    """
    if record["version"] != VERSION:
        raise CheckpointError(
            f"the frontier of {source} is of version {quoted(record['version'])}, and {VERSION} "
            "was expected: upgrade fineprune, or run `fineprune frontier` again"
        )
    machine = record["machine"]
    found = Frontier(
        source=source,
        task=str(record["task"]),
        split=str(record["split"]),
        metric=str(record["metric"]),
        rows=int(record["rows"]),
        machine=Machine(str(machine["cpu"]), int(machine["threads"]), str(machine["instructions"])),
        points=[_point(one) for one in record["points"]],
        left_out={str(name): str(why) for name, why in record.get("left_out", {}).items()},
    )
    return replace(found, words=tuple(in_words(found)))


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
