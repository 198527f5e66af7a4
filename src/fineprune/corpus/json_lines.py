"""Answers as JSON lines."""

import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from fineprune.corpus.answers import Answer
from fineprune.corpus.writing import AnswerWriter


@final
class JsonLinesWriter(AnswerWriter):
    """One object a line, which names what it holds.

    JSON has no number that is none, and none without end: null stands for them.
    """

    def write(self, path: Path, answers: Sequence[Answer]) -> None:
        """Writes a part."""
        with path.open("w", encoding="utf-8", newline="\n") as stream:
            for answer in answers:
                stream.write(f"{_line(answer)}\n")

    def join(self, parts: Sequence[Path], path: Path) -> None:
        """Writes all parts into one file."""
        with path.open("wb") as stream:
            for part in parts:
                with part.open("rb") as written:
                    shutil.copyfileobj(written, stream)


def _line(answer: Answer) -> str:
    try:
        return json.dumps(answer, ensure_ascii=False, default=_plain, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(answer), ensure_ascii=False)


def _finite(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return _finite(_plain(value))
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _plain(vector: NDArray[np.float32]) -> list[float]:
    numbers: list[float] = vector.tolist()
    return numbers
