"""ONNX Runtime, and its two ways to int8."""

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, final

from numpy.typing import NDArray

from fineprune.report.rows import Inputs, Run
from fineprune.report.speed.rivals.rival import Rival
from fineprune.report.speed.shapes import Shape
from fineprune.report.speed.subject import Subject


def fused(subject: Subject) -> Path:
    """An ONNX file with the operators that ONNX Runtime fuses for BERT's kind."""
    file = subject.folder / "fused.onnx"
    if not file.exists():
        optimizer = import_module("onnxruntime.transformers.optimizer")
        # Finds heads and hidden size itself, given zeros.
        graph = optimizer.optimize_model(
            str(subject.onnx), model_type="bert", num_heads=0, hidden_size=0, opt_level=1
        )
        graph.save_model_to_file(str(file))
    return file


def dynamic_int8(subject: Subject) -> Path:
    """Weights quantized by channel, activations as they come."""
    quantization = import_module("onnxruntime.quantization")
    file = subject.folder / "int8.onnx"
    quantization.quantize_dynamic(
        fused(subject),
        file,
        weight_type=quantization.QuantType.QInt8,
        per_channel=True,
        # What fused operators return, which the quantizer does not know.
        extra_options={"DefaultTensorType": import_module("onnx").TensorProto.FLOAT},
    )
    return file


def static_int8(subject: Subject) -> Path:
    """Weights quantized by channel, activations in the ranges that calibration finds."""
    quantization = import_module("onnxruntime.quantization")

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc,name-defined,unused-ignore]
        """Hands out one batch after the other."""

        def __init__(self) -> None:
            self._batches: Iterator[Inputs] = iter(subject.calibration_batches())

        def get_next(self) -> Inputs | None:
            return next(self._batches, None)

    file = subject.folder / "static.onnx"
    quantization.quantize_static(
        subject.onnx,
        file,
        Reader(),
        op_types_to_quantize=["MatMul", "Gemm", "Gather"],
        weight_type=quantization.QuantType.QInt8,
        per_channel=True,
    )
    return file


@final
class OnnxRuntime(Rival):
    """ONNX Runtime on the CPU.

    Args:
        prepare: what makes the model it reads.
    """

    packages: tuple[str, ...] = ("onnxruntime", "onnx", "torch", "transformers")
    runs_with: tuple[str, ...] = ("onnxruntime",)

    def __init__(self, prepare: Callable[[Subject], Path]) -> None:
        self._prepare = prepare

    def prepare(self, subject: Subject) -> Path:
        """What ONNX Runtime reads."""
        return self._prepare(subject)

    def load(self, artifact: Path, shape: Shape | None, threads: int) -> Run:
        """Makes a session; the shape is fixed where it is known."""
        onnxruntime = import_module("onnxruntime")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        if shape is not None:
            options.add_free_dimension_override_by_name("batch", shape.batch)
            options.add_free_dimension_override_by_name("tokens", shape.tokens)
        session = onnxruntime.InferenceSession(
            str(artifact), options, providers=["CPUExecutionProvider"]
        )

        def run(inputs: Inputs) -> list[NDArray[Any]]:
            answer: list[NDArray[Any]] = session.run(None, dict(inputs))
            return answer

        return run
