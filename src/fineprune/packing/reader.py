"""From a packed file to a model in memory, or to a plain folder. Nothing in it is believed."""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fineprune.errors import PackedFileError
from fineprune.files import new_folder
from fineprune.packing import attachments
from fineprune.packing.container import ATTACHMENT, RESERVED, TABLES, TENSOR, Container, outline
from fineprune.packing.dense import DenseRecord
from fineprune.packing.errors import ContainerError, MetadataError
from fineprune.packing.folder import write_folder
from fineprune.packing.header import Cursor, Header, Layout
from fineprune.packing.limits import MemoryBudget, ReadLimits, check_limit
from fineprune.packing.metadata import Metadata, check_version
from fineprune.packing.places import packed_file
from fineprune.packing.sparse import SparseRecord
from fineprune.packing.streams import require_coder
from fineprune.packing.tables import Table, read_tables
from fineprune.packing.tensors import PackedModel, Tensor

Record = DenseRecord | SparseRecord

_READERS: Mapping[Layout, Callable[[Header, Cursor], Record]] = MappingProxyType(
    {Layout.DENSE: DenseRecord.read, Layout.SPARSE: SparseRecord.read}
)


def read_packed(
    file: str | Path, *, limits: ReadLimits | None = None, tensors: Collection[str] | None = None
) -> PackedModel:
    """Reads a packed file.

    Args:
        file: made by `pack`, or by anybody else; or a folder with such a file.
        limits: what reading it may take at most; without, what any encoder needs and no more.
        tensors: names of those that are wanted; the others are neither decoded nor counted against
            the limits. Without, all.

    Raises:
        PackedFileError: the file is not there, damaged, hostile, of another version, or lacks a
            tensor that is wanted; each cause has a class of its own.
        CoderMissingError: the native coder is not installed.
    """
    path = packed_file(Path(file))
    limits = limits or ReadLimits()
    check_limit(f"bytes of {path}", path.stat().st_size, limits.file_bytes, "file_bytes")
    try:
        return from_packed_bytes(path.read_bytes(), limits, tensors)
    except PackedFileError as error:
        raise type(error)(f"{path}: {error}") from error


def unpack(file: str | Path, target: str | Path, *, limits: ReadLimits | None = None) -> None:
    """Writes a packed model as a plain Hugging Face folder, with weights in float32.

    Args:
        file: a packed model, or a folder with one.
        target: folder to write; it must not exist, or be empty, and appears whole or not at all.
        limits: what reading may take at most.

    Raises:
        PackedFileError: the file is no packed model, or a damaged one.
        FolderTakenError: there is something at the target already.
        WritingError: the folder cannot be written, because the disk is full, for example.
        CoderMissingError: the native coder is not installed.
    """
    model = read_packed(file, limits=limits)
    with new_folder(Path(target)) as folder:
        write_folder(model, folder)


def from_packed_bytes(
    data: bytes, limits: ReadLimits, names: Collection[str] | None = None
) -> PackedModel:
    """Reads the content of a packed file; see `read_packed`."""
    require_coder()
    budget = MemoryBudget(limits.memory_for(len(data)))
    announced = outline(memoryview(data), limits, budget)
    check_version(announced.metadata, budget)
    container = announced.container()
    container.verify()
    metadata = Metadata.read(container.metadata, budget)
    return PackedModel(
        config=metadata.config,
        tensors=_tensors(container, metadata.tied, names, limits, budget),
        attachments=attachments.expand(container.with_prefix(ATTACHMENT), limits),
        provenance=metadata.provenance,
    )


def _tensors(
    container: Container,
    tied: Mapping[str, Any],
    names: Collection[str] | None,
    limits: ReadLimits,
    budget: MemoryBudget,
) -> dict[str, Tensor]:
    """Tensors under all of their names; shapes are checked before anything is decoded."""
    cursors = {name: Cursor(record) for name, record in container.with_prefix(TENSOR).items()}
    headers = {name: Header.read(cursor) for name, cursor in cursors.items()}
    source = _sources(headers, tied)
    wanted = source if names is None else _select(source, names)
    weights = sum(prod(headers[first].shape) for first in wanted.values())
    check_limit("weights of all tensors", weights, limits.weights, "weights")
    if TABLES not in container.entries:
        raise ContainerError("the file has no frequency tables")
    tables = read_tables(memoryview(container.entries[TABLES]))
    records = {
        first: read_record(headers[first], cursors[first])
        for first in dict.fromkeys(wanted.values())
    }
    tensors = _decode(records, tables, budget)
    return {name: tensors[first] for name, first in wanted.items()}


def read_record(header: Header, cursor: Cursor) -> Record:
    """The record whose header has been read, without its streams.

    Raises:
        PackedFileError: its fields contradict each other or the format.
    """
    return _READERS[header.layout](header, cursor)


def _sources(headers: Mapping[str, Header], tied: Mapping[str, Any]) -> dict[str, str]:
    """For each name of a tensor, the name whose record it has."""
    if RESERVED in (*headers, *tied):
        raise MetadataError(f"a tensor has the name {RESERVED!r}, which safetensors reserves")
    for name, first in tied.items():
        if name in headers or not isinstance(first, str) or first not in headers:
            raise MetadataError(f"{name!r} cannot be tied to {first!r}")
    return {name: name for name in headers} | dict(tied)


def _select(source: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    for name in names:
        if name not in source:
            raise MetadataError(f"the file has no tensor {name!r}")
    return {name: source[name] for name in names}


def _decode(
    records: Mapping[str, Record], tables: Sequence[Table], budget: MemoryBudget
) -> dict[str, Tensor]:
    """The tensors in the order of their records, decoded side by side: decoding holds no lock."""
    if not records:
        return {}
    budget.spend("all tensors", sum(record.memory.kept for record in records.values()))
    largest = max(record.memory.working for record in records.values())
    budget.require("the largest tensor while it is decoded", largest)
    threads = min(os.cpu_count() or 1, budget.left // largest)
    # The word embeddings take as long as all the rest: they must not be the last to begin.
    order = sorted(records, key=lambda name: -prod(records[name].header.shape))
    with ThreadPoolExecutor(max_workers=threads) as pool:
        decoded = pool.map(lambda name: records[name].decode(tables), order)
        tensors = dict(zip(order, decoded, strict=True))
    return {name: tensors[name] for name in records}
