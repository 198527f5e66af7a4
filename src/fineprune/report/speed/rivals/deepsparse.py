"""DeepSparse: closed, and no longer maintained, but a yardstick for sparse models."""

from importlib import import_module
from pathlib import Path
from typing import final

from fineprune.report.speed.rivals.rival import Ids, Rival, Run
from fineprune.report.speed.shapes import Shape
from fineprune.report.speed.subject import Subject


@final
class DeepSparse(Rival):
    """DeepSparse 1.8, whose dependencies are old: it runs in an environment of its own."""

    packages: tuple[str, ...] = ("torch", "transformers")
    runs_with: tuple[str, ...] = ("deepsparse",)

    def prepare(self, subject: Subject) -> Path:
        """An ONNX file."""
        return subject.onnx

    def load(self, artifact: Path, shape: Shape, threads: int) -> Run:
        """Compiles the model for the shape."""
        size = [shape.batch, shape.tokens]
        engine = import_module("deepsparse").compile_model(
            str(artifact), batch_size=shape.batch, num_cores=threads, input_shapes=[size, size]
        )

        def run(ids: Ids, mask: Ids) -> list[Ids]:
            answer: list[Ids] = engine([ids, mask])
            return answer

        return run
