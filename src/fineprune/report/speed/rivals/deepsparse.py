"""DeepSparse: closed, and no longer maintained, but a yardstick for sparse models."""

from importlib import import_module
from pathlib import Path
from typing import Any, final

from numpy.typing import NDArray

from fineprune.report.rows import Inputs, Run
from fineprune.report.speed.rivals.rival import Rival
from fineprune.report.speed.shapes import Shape, ShapeError
from fineprune.report.speed.subject import INPUTS, Subject


@final
class DeepSparse(Rival):
    """DeepSparse 1.8, whose dependencies are old: it runs in an environment of its own."""

    packages: tuple[str, ...] = ("torch", "transformers")
    runs_with: tuple[str, ...] = ("deepsparse",)

    def prepare(self, subject: Subject) -> Path:
        """An ONNX file."""
        return subject.onnx

    def load(self, artifact: Path, shape: Shape | None, threads: int) -> Run:
        """Compiles the model for the shape.

        Raises:
            ShapeError: there is none.
        """
        if shape is None:
            raise ShapeError("DeepSparse compiles a model for one shape")
        sizes = [[shape.batch, shape.tokens]] * len(INPUTS)
        engine = import_module("deepsparse").compile_model(
            str(artifact), batch_size=shape.batch, num_cores=threads, input_shapes=sizes
        )

        def run(inputs: Inputs) -> list[NDArray[Any]]:
            answer: list[NDArray[Any]] = engine([inputs[name] for name in INPUTS])
            return answer

        return run
