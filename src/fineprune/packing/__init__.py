"""Packed models: quantize, code, store, and read again. No PyTorch.

`docs/format.md` describes the file.
"""

from fineprune.packing.limits import ReadLimits
from fineprune.packing.model import PackedModel
from fineprune.packing.packer import pack
from fineprune.packing.reader import read_packed
from fineprune.packing.report import PackReport, TensorReport
from fineprune.packing.scales import Scales
from fineprune.packing.tensors import DenseTensor, SparseTensor, Tensor
from fineprune.packing.unpacker import unpack

__all__ = [
    "DenseTensor",
    "PackReport",
    "PackedModel",
    "ReadLimits",
    "Scales",
    "SparseTensor",
    "Tensor",
    "TensorReport",
    "pack",
    "read_packed",
    "unpack",
]
