"""Answers as JSON lines."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray

from fineprune.corpus.answers import Answer
from fineprune.corpus.writing import AnswerWriter


@final
class JsonLinesWriter(AnswerWriter):
    """One object a line, which names what it holds."""

    def write(self, path: Path, answers: Sequence[Answer]) -> None:
        """Writes a part."""
        with path.open("w", encoding="utf-8", newline="\n") as stream:
            for answer in answers:
                stream.write(f"{json.dumps(answer, ensure_ascii=False, default=_plain)}\n")

    def join(self, parts: Sequence[Path], path: Path) -> None:
        """Writes all parts into one file."""
        with path.open("wb") as stream:
            for part in parts:
                with part.open("rb") as written:
                    shutil.copyfileobj(written, stream)


def _plain(vector: NDArray[np.float32]) -> list[float]:
    numbers: list[float] = vector.tolist()
    return numbers
