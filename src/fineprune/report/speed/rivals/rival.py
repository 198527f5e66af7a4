"""An engine that can be timed."""

from abc import ABC, abstractmethod
from pathlib import Path

from fineprune.report.rows import Run
from fineprune.report.speed.shapes import Shape
from fineprune.report.speed.subject import Subject


class Rival(ABC):
    """An engine with the settings that are best for it.

    Attributes:
        packages: what must be importable to prepare and to run it.
        runs_with: what of these must be importable where it runs, if that is elsewhere.
    """

    packages: tuple[str, ...]
    runs_with: tuple[str, ...]

    @abstractmethod
    def prepare(self, subject: Subject) -> Path:
        """Writes what the engine takes."""

    @abstractmethod
    def load(self, artifact: Path, shape: Shape | None, threads: int) -> Run:
        """Loads it, in the process that will run it.

        Args:
            artifact: what `prepare` wrote.
            shape: of the inputs to come; None for inputs of any shape.
            threads: how many to use.

        Returns:
            A function from inputs to what the model says of them.
        """
