"""How answers become files."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from fineprune.corpus.answers import Answer


class AnswerWriter(ABC):
    """Writes answers part by part, and joins the parts."""

    @abstractmethod
    def write(self, path: Path, answers: Sequence[Answer]) -> None:
        """Writes one part."""

    @abstractmethod
    def join(self, parts: Sequence[Path], path: Path) -> None:
        """Writes one file of all parts, in memory for a few of them."""
