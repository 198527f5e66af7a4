"""Packed models: quantize, code, store, and read again. No PyTorch.

`docs/format.md` describes the file.
"""

from fineprune.packing.limits import ReadLimits
from fineprune.packing.packed_folder import pack_folder
from fineprune.packing.packer import pack
from fineprune.packing.reader import read_packed, unpack
from fineprune.packing.report import PackReport, TensorReport
from fineprune.packing.tensors import DenseTensor, PackedModel, Scales, SparseTensor, Tensor
from fineprune.packing.unseen import Unseen

__all__ = [
    "DenseTensor",
    "PackReport",
    "PackedModel",
    "ReadLimits",
    "Scales",
    "SparseTensor",
    "Tensor",
    "TensorReport",
    "Unseen",
    "pack",
    "pack_folder",
    "read_packed",
    "unpack",
]
