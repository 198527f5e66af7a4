"""From a file to a model in memory. Nothing in the file is believed."""

import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import prod
from pathlib import Path
from typing import Any

from fineprune.errors import PackedFileError
from fineprune.packing import attachments, codec, names
from fineprune.packing.ans import require_coder
from fineprune.packing.container import Container, outline
from fineprune.packing.cursor import Cursor
from fineprune.packing.errors import ContainerError, MetadataError, VersionError
from fineprune.packing.header import Header
from fineprune.packing.limits import ReadLimits, check_limit
from fineprune.packing.model import PackedModel
from fineprune.packing.tables import Table, read_tables
from fineprune.packing.tensors import Tensor


def read_packed(file: str | Path, *, limits: ReadLimits | None = None) -> PackedModel:
    """Reads a packed file.

    Args:
        file: made by `pack`, or by anybody else.
        limits: what reading it may take at most; without, what any encoder needs and no more.

    Raises:
        PackedFileError: the file is not there, damaged, hostile, or of another version; each
            cause has a class of its own.
        CoderMissingError: the native coder is not installed.
    """
    path = Path(file)
    if not path.is_file():
        raise ContainerError(f"{path} is no file; expected a packed model")
    limits = limits or ReadLimits()
    check_limit(f"bytes of {path}", path.stat().st_size, limits.file_bytes)
    try:
        return from_packed_bytes(path.read_bytes(), limits)
    except PackedFileError as error:
        raise type(error)(f"{path}: {error}") from error


def from_packed_bytes(data: bytes, limits: ReadLimits) -> PackedModel:
    """Reads the content of a packed file; see `read_packed`."""
    require_coder()
    announced = outline(memoryview(data), limits)
    _check_version(announced.metadata)  # first: another version may have other rules for the rest
    container = announced.container()
    container.verify()
    provenance = _json_object(container.metadata, names.PROVENANCE_KEY)
    tied = _json_object(container.metadata, names.TIED_KEY)
    return PackedModel(
        config=_json_object(container.metadata, names.CONFIG_KEY),
        tensors=_tensors(container, tied, limits),
        attachments=attachments.expand(_with_prefix(container, names.ATTACHMENT), limits),
        provenance=provenance,
    )


def _check_version(metadata: Mapping[str, str]) -> None:
    if metadata.get(names.FORMAT_KEY) != names.FORMAT:
        raise MetadataError("a safetensors file, but no packed model: pack its folder first")
    version = metadata.get(names.VERSION_KEY, "")
    if version != str(names.VERSION):
        raise VersionError(
            f"the file is of version {version[:20]!r} of the format, this reader knows "
            f"{names.VERSION}: upgrade fineprune"
        )


def _json_object(metadata: Mapping[str, str], key: str) -> dict[str, Any]:
    try:
        content = json.loads(metadata[key])
        json.dumps(content, indent=2, ensure_ascii=False).encode()  # whoever unpacks it does so
    except KeyError as error:
        raise MetadataError(f"the metadata has no {key!r}") from error
    except (ValueError, RecursionError) as error:
        raise MetadataError(f"the metadata's {key!r} is no JSON that can be kept") from error
    if not isinstance(content, dict):
        raise MetadataError(f"the metadata's {key!r} is no JSON object")
    return content


def _with_prefix(container: Container, prefix: str) -> dict[str, memoryview]:
    """Entries whose names begin with a prefix, without it."""
    return {
        name.removeprefix(prefix): memoryview(content)
        for name, content in container.entries.items()
        if name.startswith(prefix)
    }


def _tensors(
    container: Container, tied: Mapping[str, Any], limits: ReadLimits
) -> dict[str, Tensor]:
    """All tensors under all of their names; shapes are checked before anything is decoded."""
    records = _with_prefix(container, names.TENSOR)
    cursors = {name: Cursor(record) for name, record in records.items()}
    headers = {name: Header.read(cursor) for name, cursor in cursors.items()}
    if names.RESERVED in (*headers, *tied):
        raise MetadataError(f"a tensor has the name {names.RESERVED!r}, which safetensors reserves")
    for name, first in tied.items():
        if name in headers or not isinstance(first, str) or first not in headers:
            raise MetadataError(f"{name!r} cannot be tied to {first!r}")
    weights = sum(prod(headers[name].shape) for name in (*headers, *tied.values()))
    check_limit("weights of all tensors", weights, limits.weights)
    if names.TABLES not in container.entries:
        raise ContainerError("the file has no frequency tables")
    tables = read_tables(memoryview(container.entries[names.TABLES]))
    tensors = _decode(headers, cursors, tables)
    return tensors | {name: tensors[first] for name, first in tied.items()}


def _decode(
    headers: Mapping[str, Header], cursors: Mapping[str, Cursor], tables: Sequence[Table]
) -> dict[str, Tensor]:
    """The tensors in the order of their headers, decoded side by side: decoding holds no lock."""
    # The word embeddings take as long as all the rest: they must not be the last to begin.
    order = sorted(headers, key=lambda name: -prod(headers[name].shape))
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        decoded = pool.map(lambda name: codec.read(headers[name], cursors[name], tables), order)
        tensors = dict(zip(order, decoded, strict=True))
    return {name: tensors[name] for name in headers}
