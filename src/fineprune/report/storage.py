"""Where the bytes of a model are."""

from math import prod
from pathlib import Path

import numpy as np
from safetensors import safe_open

from fineprune.packing import SparseTensor, Tensor
from fineprune.packing.container import ATTACHMENT, TENSOR
from fineprune.packing.quantize import Role
from fineprune.packing.tables import entropy_bits
from fineprune.report.records import PartBytes
from fineprune.report.source import Opened

ENCODER, EMBEDDINGS, HEAD = "encoder", "embeddings", "head"
FILES, REST = "tokenizer and settings", "tables and header"

_FLOAT_BYTES = 4


def bytes_by_part(model: Opened) -> list[PartBytes]:
    """Bytes of each part: dense, in a plain folder, packed, and by the entropy bound."""
    records = _record_sizes(model.file)
    dense = dict.fromkeys((ENCODER, EMBEDDINGS, HEAD), 0)
    packed, bound = dict(dense), dict(dense)
    seen: set[int] = set()
    for name, tensor in model.packed.tensors.items():
        if id(tensor) in seen:  # tied to one before
            continue
        seen.add(id(tensor))
        part = _part_of(name, tensor)
        dense[part] += _FLOAT_BYTES * prod(tensor.shape)
        packed[part] += records.get(f"{TENSOR}{name}", 0)
        bound[part] += round(_entropy_bits(tensor) / 8)
    weights = [
        PartBytes(part, dense[part], dense[part], packed[part], bound[part]) for part in dense
    ]
    expanded = sum(map(len, model.attachments.values()))
    compressed = sum(size for name, size in records.items() if name.startswith(ATTACHMENT))
    rest = model.file.stat().st_size - sum(packed.values()) - compressed
    return [
        *weights,
        PartBytes(FILES, expanded, expanded, compressed, None),
        PartBytes(REST, 0, 0, rest, None),
    ]


def _record_sizes(file: Path) -> dict[str, int]:
    """Bytes of each record of a packed file that was read before: nothing is left to check."""
    with safe_open(file, framework="numpy") as opened:
        return {name: prod(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118


def _part_of(name: str, tensor: Tensor) -> str:
    if any(part.isdecimal() for part in name.split(".")):
        return ENCODER
    is_embedding = Role.of(name, tensor.shape) is Role.EMBEDDING or "embed" in name
    return EMBEDDINGS if is_embedding else HEAD


def _entropy_bits(tensor: Tensor) -> float:
    """Bits of a tensor if each of its positions and values cost what it tells by itself."""
    values = tensor.values
    if tensor.scales is None:
        bits = 8.0 * values.nbytes  # floats: as they are
    else:
        bits = float(entropy_bits(np.bincount(values.ravel().astype(np.int64) + 128)))
    if isinstance(tensor, SparseTensor):
        cells = prod(tensor.shape)
        bits += float(entropy_bits(np.array([tensor.kept, cells - tensor.kept])))
    return bits
