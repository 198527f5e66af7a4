"""ONNX Runtime."""

from importlib import import_module
from pathlib import Path
from typing import final

from fineprune.report.speed.rivals.rival import Ids, Rival, Run
from fineprune.report.speed.shapes import Shape
from fineprune.report.speed.subject import INPUTS, Subject


@final
class OnnxRuntime(Rival):
    """ONNX Runtime on the CPU, with its optimizer for BERT's kind.

    Args:
        int8: whether weights are quantized by channel, and activations as they come.
    """

    packages: tuple[str, ...] = ("onnxruntime", "onnx", "torch", "transformers")
    runs_with: tuple[str, ...] = ("onnxruntime",)

    def __init__(self, *, int8: bool) -> None:
        self._int8 = int8

    def prepare(self, subject: Subject) -> Path:
        """An ONNX file with fused operators, and quantized weights if so."""
        fused = subject.folder / "fused.onnx"
        if not fused.exists():
            optimizer = import_module("onnxruntime.transformers.optimizer")
            # Finds heads and hidden size itself, given zeros.
            graph = optimizer.optimize_model(
                str(subject.onnx), model_type="bert", num_heads=0, hidden_size=0, opt_level=1
            )
            graph.save_model_to_file(str(fused))
        return self._quantized(fused) if self._int8 else fused

    def _quantized(self, fused: Path) -> Path:
        quantization = import_module("onnxruntime.quantization")
        float_type = import_module("onnx").TensorProto.FLOAT
        quantized = fused.with_name("int8.onnx")
        quantization.quantize_dynamic(
            fused,
            quantized,
            weight_type=quantization.QuantType.QInt8,
            per_channel=True,
            extra_options={"DefaultTensorType": float_type},  # of what fused operators return
        )
        return quantized

    def load(self, artifact: Path, shape: Shape, threads: int) -> Run:
        """Makes a session in which the shape is fixed."""
        onnxruntime = import_module("onnxruntime")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_free_dimension_override_by_name("batch", shape.batch)
        options.add_free_dimension_override_by_name("tokens", shape.tokens)
        session = onnxruntime.InferenceSession(
            str(artifact), options, providers=["CPUExecutionProvider"]
        )

        def run(ids: Ids, mask: Ids) -> list[Ids]:
            answer: list[Ids] = session.run(None, dict(zip(INPUTS, (ids, mask), strict=True)))
            return answer

        return run
