"""OpenVINO, and NNCF to quantize for it."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, final

from numpy.typing import NDArray

from fineprune.report.rows import Inputs, Run
from fineprune.report.speed.rivals.rival import Rival
from fineprune.report.speed.shapes import Shape
from fineprune.report.speed.subject import Subject


def as_exported(subject: Subject) -> Path:
    """The ONNX file, which OpenVINO reads."""
    return subject.onnx


def quantized(subject: Subject) -> Path:
    """Weights and activations in int8, in the ranges that calibration finds."""
    nncf, openvino = import_module("nncf"), import_module("openvino")
    nncf.set_log_level(40)  # errors only
    batches = [dict(inputs) for inputs in subject.calibration_batches()]
    model = nncf.quantize(
        openvino.Core().read_model(subject.onnx),
        nncf.Dataset(batches),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(batches),
    )
    file = subject.folder / "int8.xml"
    openvino.save_model(model, file, compress_to_fp16=False)
    return file


@final
class OpenVino(Rival):
    """OpenVINO on the CPU, set for latency.

    Args:
        prepare: what makes the model it reads.
        precision: of what is not quantized; None for OpenVINO's own choice.
        packages: what must be importable to prepare it, besides OpenVINO.
    """

    runs_with: tuple[str, ...] = ("openvino",)

    def __init__(
        self,
        prepare: Callable[[Subject], Path],
        *,
        precision: str | None = None,
        packages: tuple[str, ...] = (),
    ) -> None:
        self._prepare = prepare
        self._precision = precision
        self.packages = ("openvino", "torch", "transformers", *packages)

    def prepare(self, subject: Subject) -> Path:
        """What OpenVINO reads."""
        return self._prepare(subject)

    def load(self, artifact: Path, shape: Shape | None, threads: int) -> Run:
        """Compiles the model, for the shape where it is known."""
        openvino = import_module("openvino")
        core = openvino.Core()
        model = core.read_model(artifact)
        if shape is not None:
            model.reshape({each.any_name: [shape.batch, shape.tokens] for each in model.inputs})
        settings: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
        }
        if self._precision is not None:
            settings["INFERENCE_PRECISION_HINT"] = self._precision
        compiled = core.compile_model(model, "CPU", settings)
        request = compiled.create_infer_request()

        def run(inputs: Inputs) -> list[NDArray[Any]]:
            answer = request.infer(dict(inputs))
            return [answer[output] for output in compiled.outputs]

        return run
