"""From a finalized folder to one file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fineprune import __version__
from fineprune.errors import CheckpointError
from fineprune.files import place_of_file, replacing, require_place
from fineprune.packing.attachments import compress
from fineprune.packing.container import ATTACHMENT, TABLES, TENSOR, Container, to_parts
from fineprune.packing.dense import plan_dense
from fineprune.packing.folder import Source, read_source
from fineprune.packing.header import KINDS, SPARSE_KINDS, Kind
from fineprune.packing.metadata import MODULES_FEATURE, Metadata
from fineprune.packing.modules import WEIGHTS
from fineprune.packing.prunable import Prunable
from fineprune.packing.quantize import Precision, Role, to_tensor
from fineprune.packing.report import PackReport, TensorReport
from fineprune.packing.sparse import plan_sparse
from fineprune.packing.streams import Plan, require_coder
from fineprune.packing.tables import fit, share_tables, tables_bytes
from fineprune.packing.tensors import DenseTensor, SparseTensor, Tensor
from fineprune.packing.unseen import Unseen

MOST_KEPT = 1 / 3
"""Share of kept weights up to which a matrix is stored as sparse; vectors are always dense.

In bytes the layouts are equals: the entropy of a mask and of the kept values is that of the values
with zeros among them. So memory decides, in which a kept weight takes three bytes (its code and a
column index) and a cell of a dense matrix one. Up to there the sparse layout also decodes faster.
"""


def pack(
    source: str | Path,
    file: str | Path,
    *,
    bits: int = 8,
    embedding_bits: int = 8,
    unseen: Unseen | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> PackReport:
    """Packs a finalized model into one file.

    Args:
        source: a plain Hugging Face folder.
        file: to write; it appears whole or not at all.
        bits: of the weights in layers: 2 to 8, quantized, or 16 or 32 for floats.
        embedding_bits: of the embeddings.
        unseen: how coarsely embeddings of tokens that no training text holds are stored; None for
            as finely as the others.
        provenance: what else shall be remembered of how the model came to be, as JSON types.

    Returns:
        What was kept, lost and written, by tensor.

    Raises:
        CheckpointError: the source is no finalized model, or the file cannot stand where it shall.
        UnsupportedModelError: the source makes embeddings in a way that no packed file repeats.
        FileTakenError: there is something that is no file where it shall stand.
        WritingError: the file cannot be written, because the disk is full, for example.
        PrecisionError: there is no such number of bits.
        CoderMissingError: the native coder is not installed.
    """
    require_coder()
    precision = Precision(bits, embedding_bits)
    path = Path(file)
    _check_target(path, Path(source))
    model = read_source(Path(source))
    packed = [_pack_tensor(model, tied, precision, unseen) for tied in _tied(model.tensors)]
    if unseen is not None and not any(_is_of_tokens(model, one.role, one.array) for one in packed):
        raise CheckpointError(
            f"{source} has no embeddings of {model.config.get('vocab_size')} tokens, as its "
            f"config counts them: none can be stored more coarsely"
        )
    entries = _entries(packed) | {
        f"{ATTACHMENT}{name}": compress(content) for name, content in model.attachments.items()
    }
    how = {
        "bits": precision.bits,
        "embedding_bits": precision.embedding_bits,
        **({} if unseen is None else {"unseen_embedding_bits": unseen.bits}),
        **(provenance or {}),
    }
    container = Container(entries, _metadata(model, packed, how))
    with replacing(path) as temporary, temporary.open("wb") as stream:
        stream.writelines(to_parts(container))
    return _report(packed, entries, path.stat().st_size)


def _check_target(file: Path, source: Path) -> None:
    """Refuses what no file can replace, and what packing must not: the weights that it reads."""
    require_place(file)
    place, weights = place_of_file(file), source / WEIGHTS
    if place.exists() and weights.exists() and place.samefile(weights):
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
        return TENSOR + self.tied[0]


def _tied(tensors: Mapping[str, NDArray[Any]]) -> list[tuple[str, ...]]:
    """Names of equal tensors together, in the order of the first of each."""
    equal: dict[tuple[Any, ...], list[str]] = {}
    for name, array in tensors.items():
        content = blake2b(np.ascontiguousarray(array).data).digest()
        equal.setdefault((array.dtype, array.shape, content), []).append(name)
    return [tuple(tied) for tied in equal.values()]


def _pack_tensor(
    model: Source, tied: tuple[str, ...], precision: Precision, unseen: Unseen | None
) -> _Packed:
    array = model.tensors[tied[0]]
    # A head that is tied to the embeddings is stored as they are.
    roles = {Role.of(name, array.shape) for name in tied}
    role = Role.EMBEDDING if Role.EMBEDDING in roles else Role.of(tied[0], array.shape)
    bits = precision.bits_of(role)
    coarser = None
    if unseen is not None and _is_of_tokens(model, role, array):
        coarser = unseen.least_exponents(len(array), bits)
    tensor, plan = lay_out(to_tensor(array, bits, coarser))
    return _Packed(tied, array, role, bits, tensor, plan)


def _is_of_tokens(model: Source, role: Role, array: NDArray[Any]) -> bool:
    """Whether a tensor holds a row for each token."""
    return role is Role.EMBEDDING and len(array) == model.config.get("vocab_size")


def lay_out(tensor: DenseTensor) -> tuple[Tensor, Plan]:
    """The tensor in the layout that suits it, and how to store it."""
    kind = Kind.CODES if tensor.scales is not None else KINDS[tensor.values.dtype]
    is_matrix = min(tensor.values.shape) > 1
    if kind in SPARSE_KINDS and is_matrix and tensor.kept <= MOST_KEPT * tensor.values.size:
        matrix = SparseTensor.of(tensor.shape, tensor.values, tensor.scales)
        return matrix, plan_sparse(matrix, kind)
    return tensor, plan_dense(tensor, kind)


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
    return {TABLES: tables_bytes(tables)} | {
        one.entry: one.plan.record([next(references) for _ in range(one.plan.references)], tables)
        for one in packed
    }


def _metadata(model: Source, packed: Sequence[_Packed], how: Mapping[str, Any]) -> dict[str, str]:
    rule = Prunable.of(model.config)
    covered = [
        one for one in packed if any(rule.covers(name, one.array.shape) for name in one.tied)
    ]
    kept = sum(one.tensor.kept for one in covered)
    prunable = sum(one.array.size for one in covered)
    provenance = {
        "fineprune": __version__,
        "kept": kept,
        "prunable": prunable,
        "density": kept / prunable if prunable else 1.0,
        **how,
    }
    tied = {name: one.tied[0] for one in packed for name in one.tied[1:]}
    requires = (MODULES_FEATURE,) if model.has_modules else ()
    return Metadata(model.config, provenance, tied).to_texts(requires)


def _report(packed: Sequence[_Packed], entries: Mapping[str, bytes], size: int) -> PackReport:
    tensors = (
        TensorReport.of(one.tied[0], one.array, one.tensor, one.bits, len(entries[one.entry]))
        for one in packed
    )
    return PackReport(tuple(tensors), size)
