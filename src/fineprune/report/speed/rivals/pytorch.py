"""PyTorch with the model of transformers."""

from importlib import import_module
from pathlib import Path
from typing import Any, final

from numpy.typing import NDArray

from fineprune.report.rows import Inputs, Run
from fineprune.report.speed.rivals.rival import Rival
from fineprune.report.speed.shapes import Shape
from fineprune.report.speed.subject import Subject, load_plain, outputs


@final
class PyTorch(Rival):
    """Eager PyTorch with its fused attention.

    Args:
        dtype: of weights and activations.
    """

    packages: tuple[str, ...] = ("torch", "transformers")
    runs_with: tuple[str, ...] = packages

    def __init__(self, dtype: str) -> None:
        self._dtype = dtype

    def prepare(self, subject: Subject) -> Path:
        """A Hugging Face folder."""
        return subject.plain

    def load(self, artifact: Path, shape: Shape | None, threads: int) -> Run:
        """Loads the folder; any shape will do."""
        torch = import_module("torch")
        torch.set_num_threads(threads)
        model = load_plain(artifact, attention=None).to(getattr(torch, self._dtype))

        def run(inputs: Inputs) -> list[NDArray[Any]]:
            with torch.inference_mode():
                answer = model(**{name: torch.from_numpy(ids) for name, ids in inputs.items()})
                return [value.float().numpy() for value in outputs(answer)]

        return run
