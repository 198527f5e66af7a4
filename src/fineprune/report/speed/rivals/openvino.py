"""OpenVINO, and NNCF to quantize for it."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, final

import numpy as np

from fineprune.report.speed.rivals.rival import Ids, Rival, Run
from fineprune.report.speed.shapes import Shape
from fineprune.report.speed.subject import INPUTS, Subject

_CALIBRATION_BATCHES = 16
_CALIBRATION_TOKENS = 128


def as_exported(subject: Subject) -> Path:
    """The ONNX file, which OpenVINO reads."""
    return subject.onnx


def quantized(subject: Subject) -> Path:
    """Weights and activations in int8, calibrated on random tokens."""
    nncf, openvino = import_module("nncf"), import_module("openvino")
    nncf.set_log_level(40)  # errors only
    random = np.random.default_rng(0)
    size = 1, _CALIBRATION_TOKENS
    batches = [
        dict(zip(INPUTS, (random.integers(5, 1000, size), np.ones(size, np.int64)), strict=True))
        for _ in range(_CALIBRATION_BATCHES)
    ]
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

    def load(self, artifact: Path, shape: Shape, threads: int) -> Run:
        """Compiles the model for the shape."""
        openvino = import_module("openvino")
        core = openvino.Core()
        model = core.read_model(artifact)
        model.reshape({name: [shape.batch, shape.tokens] for name in INPUTS})
        settings: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
        }
        if self._precision is not None:
            settings["INFERENCE_PRECISION_HINT"] = self._precision
        compiled = core.compile_model(model, "CPU", settings)
        request = compiled.create_infer_request()

        def run(ids: Ids, mask: Ids) -> list[Ids]:
            answer = request.infer(dict(zip(INPUTS, (ids, mask), strict=True)))
            return [answer[output] for output in compiled.outputs]

        return run
