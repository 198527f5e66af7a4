"""The engines that can be timed, by name."""

from collections.abc import Mapping

from fineprune.report.speed.rivals.deepsparse import DeepSparse
from fineprune.report.speed.rivals.fineprune import Fineprune
from fineprune.report.speed.rivals.onnxruntime import OnnxRuntime, dynamic_int8, fused, static_int8
from fineprune.report.speed.rivals.openvino import OpenVino, as_exported, quantized
from fineprune.report.speed.rivals.pytorch import PyTorch
from fineprune.report.speed.rivals.rival import Rival

__all__ = ["RIVALS", "Rival"]

RIVALS: Mapping[str, Rival] = {
    "fineprune": Fineprune("float32"),
    "fineprune-fast": Fineprune("fast"),
    "fineprune-int8": Fineprune("int8"),
    "fineprune-bf16": Fineprune("bf16"),
    "torch": PyTorch("float32"),
    "torch-bf16": PyTorch("bfloat16"),
    "onnxruntime": OnnxRuntime(fused),
    "onnxruntime-int8": OnnxRuntime(dynamic_int8),
    "onnxruntime-int8-static": OnnxRuntime(static_int8),
    "openvino": OpenVino(as_exported, precision="f32"),
    "openvino-bf16": OpenVino(as_exported, precision="bf16"),
    "openvino-int8": OpenVino(quantized, packages=("nncf",)),
    "deepsparse": DeepSparse(),
}
"""The engines that are timed, by name."""
