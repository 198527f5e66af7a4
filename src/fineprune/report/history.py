"""How a model was trained, from its run's log."""

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any

from fineprune.report.records import LogLine

_KEYS = {
    "level": "level",
    "density": "density",
    "task_loss": "task_loss",
    "teacher": "distillation_loss",
    "penalty": "penalty",
    "learning_rate": "learning_rate",
    "score_learning_rate": "score_learning_rate",
}


def read_log(lines: Iterable[Mapping[str, Any]]) -> list[LogLine]:
    """The lines about training, in the order of steps.

    Args:
        lines: as `transformers` writes them into `trainer_state.json`.
    """
    return [
        LogLine(step, **{name: _number(line.get(key)) for name, key in _KEYS.items()})
        for line in lines
        if isinstance(step := line.get("step"), int) and "loss" in line
    ]


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and isfinite(value) else None
