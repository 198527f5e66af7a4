"""From a finalized folder to one file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fineprune import __version__
from fineprune.errors import CheckpointError
from fineprune.files import replacing
from fineprune.packing import names
from fineprune.packing.ans import require_coder
from fineprune.packing.attachments import compress
from fineprune.packing.codec import lay_out
from fineprune.packing.container import Container, to_parts
from fineprune.packing.plan import Plan
from fineprune.packing.pool import share_tables
from fineprune.packing.precision import Precision, Role
from fineprune.packing.quantize import to_tensor
from fineprune.packing.report import PackReport, TensorReport
from fineprune.packing.source import WEIGHTS, Source, read_source
from fineprune.packing.tables import fit, tables_bytes
from fineprune.packing.tensors import Tensor


def pack(
    source: str | Path,
    file: str | Path,
    *,
    bits: int = 8,
    embedding_bits: int = 8,
    provenance: Mapping[str, Any] | None = None,
) -> PackReport:
    """Packs a finalized model into one file.

    Args:
        source: a plain Hugging Face folder.
        file: to write; it appears whole or not at all.
        bits: of the weights in layers: 2 to 8, quantized, or 16 or 32 for floats.
        embedding_bits: of the embeddings.
        provenance: what else shall be remembered of how the model came to be, as JSON types.

    Returns:
        What was kept, lost and written, by tensor.

    Raises:
        CheckpointError: the source is no finalized model, or the file cannot stand where it shall.
        PrecisionError: there is no such number of bits.
        CoderMissingError: the native coder is not installed.
    """
    require_coder()
    precision = Precision(bits, embedding_bits)
    path = Path(file)
    _check_target(path, Path(source))
    model = read_source(Path(source))
    packed = [_pack_tensor(model, tied, precision) for tied in _tied(model.tensors)]
    entries = _entries(packed) | {
        f"{names.ATTACHMENT}{name}": compress(content)
        for name, content in model.attachments.items()
    }
    container = Container(entries, _metadata(model, packed, precision, provenance or {}))
    with replacing(path) as temporary, temporary.open("wb") as stream:
        stream.writelines(to_parts(container))
    return _report(packed, entries, path.stat().st_size)


def _check_target(file: Path, source: Path) -> None:
    """Refuses what no file can replace, and what packing must not: the weights that it reads."""
    if not file.parent.is_dir():
        raise CheckpointError(f"{file.parent} is no folder; create it first")
    if file.is_dir():
        raise CheckpointError(f"{file} is a folder; name a file")
    weights = source / WEIGHTS
    if file.exists() and weights.exists() and file.samefile(weights):
        raise CheckpointError(f"{file} holds the weights that are to be packed; name another file")


@dataclass(frozen=True, eq=False)
class _Packed:
    """A tensor on its way into the file.

    Attributes:
        tied: its names in the model.
        array: what it was.
        role: what it is for.
        bits: how finely it is stored.
        tensor: what stands for it.
        plan: how to store that.
    """

    tied: tuple[str, ...]
    array: NDArray[Any]
    role: Role
    bits: int
    tensor: Tensor
    plan: Plan

    @property
    def entry(self) -> str:
        """The name of its record in the file."""
        return names.TENSOR + self.tied[0]


def _tied(tensors: Mapping[str, NDArray[Any]]) -> list[tuple[str, ...]]:
    """Names of equal tensors together, in the order of the first of each."""
    equal: dict[tuple[Any, ...], list[str]] = {}
    for name, array in tensors.items():
        content = blake2b(np.ascontiguousarray(array).data).digest()
        equal.setdefault((array.dtype, array.shape, content), []).append(name)
    return [tuple(tied) for tied in equal.values()]


def _pack_tensor(model: Source, tied: tuple[str, ...], precision: Precision) -> _Packed:
    array = model.tensors[tied[0]]
    # A head that is tied to the embeddings is stored as they are.
    roles = {Role.of(name, array.shape) for name in tied}
    role = Role.EMBEDDING if Role.EMBEDDING in roles else Role.of(tied[0], array.shape)
    bits = precision.bits_of(role)
    tensor, plan = lay_out(to_tensor(array, bits))
    return _Packed(tied, array, role, bits, tensor, plan)


def _entries(packed: Sequence[_Packed]) -> dict[str, bytes]:
    """The tables that the records share, and the records."""
    histograms = [one.plan.histograms() for one in packed]
    families = [
        one.plan.longest_gaps.get(reference, 0)
        for one in packed
        for reference in range(one.plan.references)
    ]
    merged, assignment = share_tables(np.concatenate(histograms), families)
    tables = [fit(histogram) for histogram in merged]
    references = iter(assignment)
    return {names.TABLES: tables_bytes(tables)} | {
        one.entry: one.plan.record([next(references) for _ in range(one.plan.references)], tables)
        for one in packed
    }


def _metadata(
    model: Source, packed: Sequence[_Packed], precision: Precision, provenance: Mapping[str, Any]
) -> dict[str, str]:
    in_layers = [one for one in packed if one.role is Role.LAYER]
    kept = sum(one.tensor.kept for one in in_layers)
    prunable = sum(one.array.size for one in in_layers)
    how = {
        "fineprune": __version__,
        "bits": precision.bits,
        "embedding_bits": precision.embedding_bits,
        "kept": kept,
        "prunable": prunable,
        "density": kept / prunable if prunable else 1.0,
    }
    texts = {
        names.CONFIG_KEY: model.config,
        names.PROVENANCE_KEY: {**how, **provenance},
        names.TIED_KEY: {name: one.tied[0] for one in packed for name in one.tied[1:]},
    }
    return {
        names.FORMAT_KEY: names.FORMAT,
        names.VERSION_KEY: str(names.VERSION),
    } | {key: json.dumps(value, separators=(",", ":")) for key, value in texts.items()}


def _report(packed: Sequence[_Packed], entries: Mapping[str, bytes], size: int) -> PackReport:
    tensors = (
        TensorReport.of(one.tied[0], one.array, one.tensor, one.bits, len(entries[one.entry]))
        for one in packed
    )
    return PackReport(tuple(tensors), size)
