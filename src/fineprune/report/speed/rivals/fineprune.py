"""The engine of this package."""

from pathlib import Path
from typing import Any, Literal, final

from numpy.typing import NDArray

from fineprune.report.rows import Inputs, Run
from fineprune.report.speed.rivals.rival import Rival
from fineprune.report.speed.shapes import Shape
from fineprune.report.speed.subject import Subject


@final
class Fineprune(Rival):
    """`fineprune.Engine` on the packed file.

    Args:
        precision: of its arithmetic.
    """

    packages: tuple[str, ...] = ()
    runs_with: tuple[str, ...] = ()

    def __init__(self, precision: Literal["float32", "bf16", "int8", "fast"]) -> None:
        self._precision = precision

    def prepare(self, subject: Subject) -> Path:
        """The packed file itself."""
        return subject.packed

    def load(self, artifact: Path, shape: Shape | None, threads: int) -> Run:
        """Loads the file; any shape will do."""
        # Here, because the environments of other engines lack what it needs.
        from fineprune.engine import Engine

        engine = Engine(artifact, threads=threads, precision=self._precision)

        def run(inputs: Inputs) -> list[NDArray[Any]]:
            answer = engine.run(**inputs)
            return [value for name, value in answer.items() if name != "embeddings"]

        return run
