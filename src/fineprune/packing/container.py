"""The safetensors file around the records: https://github.com/huggingface/safetensors.

Written and read here rather than by the library: its writer orders metadata by chance, so that
equal models would give unequal files, and its reader's errors do not tell what was wrong.
"""

import json
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fineprune.packing.errors import (
    ChecksumError,
    ContainerError,
    StreamRangeError,
    TruncatedError,
)
from fineprune.packing.limits import MemoryBudget, ReadLimits, check_limit

# Entries, as `docs/format.md` names them.
TABLES = "tables"
TENSOR = "tensor:"
ATTACHMENT = "file:"

RESERVED = "__metadata__"
"""Key of the metadata in a safetensors header, and so the name of no tensor."""

_LENGTH = struct.Struct("<Q")
_CHECKSUM = "crc32"
_DEEPEST = 100  # levels of JSON; a config has five
_BYTES_PER_VALUE = 256  # of a JSON value in memory at most, or indented at the deepest level


@dataclass(frozen=True)
class Container:
    """Named bytes, and metadata.

    Attributes:
        entries: content by name.
        metadata: text by key.
    """

    entries: Mapping[str, bytes | memoryview]
    metadata: Mapping[str, str]

    def checksum(self) -> str:
        """CRC-32 of names, contents and metadata, in an order that no rewriting changes."""
        crc = 0
        for name in sorted(self.entries):
            crc = zlib.crc32(self.entries[name], zlib.crc32(f"{name}\0".encode(), crc))
        for key in sorted(self.metadata.keys() - {_CHECKSUM}):
            crc = zlib.crc32(f"{key}\0{self.metadata[key]}\0".encode(), crc)
        return f"{crc:08x}"

    def verify(self) -> None:
        """Raises `ChecksumError` if the content is not what was written."""
        if self.checksum() != self.metadata.get(_CHECKSUM):
            raise ChecksumError("the checksum differs: the file is damaged; copy it again")

    def with_prefix(self, prefix: str) -> dict[str, memoryview]:
        """Entries whose names begin with a prefix, without it."""
        return {
            name.removeprefix(prefix): memoryview(content)
            for name, content in self.entries.items()
            if name.startswith(prefix)
        }


# Writing.


def to_parts(container: Container) -> Iterator[bytes | memoryview]:
    """The bytes of a file, in parts."""
    metadata = {**container.metadata, _CHECKSUM: container.checksum()}
    sizes = {name: len(content) for name, content in container.entries.items()}
    yield header_bytes(metadata, ((name, "U8", [size], size) for name, size in sizes.items()))
    yield from container.entries.values()


def header_bytes(
    metadata: Mapping[str, str], entries: Iterable[tuple[str, str, list[int], int]]
) -> bytes:
    """What a safetensors file begins with.

    Args:
        metadata: text by key.
        entries: name, dtype, shape and bytes of each, in the order of their contents.
    """
    header: dict[str, Any] = {RESERVED: dict(metadata)}
    end = 0
    for name, dtype, shape, size in entries:
        start, end = end, end + size
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return _LENGTH.pack(len(text)) + text


# Reading.


@dataclass(frozen=True)
class Outline:
    """What a file's header says, before any of it is compared with what follows the header.

    Attributes:
        metadata: text by key.
        described: type, shape and place of each entry, by name, as they stand in the header.
        data: all that follows the header.
    """

    metadata: Mapping[str, str]
    described: Mapping[str, Any]
    data: memoryview

    def container(self) -> Container:
        """The container of the file, not verified yet; nothing of its content is copied.

        Raises:
            ContainerError: an entry is not described as bytes.
            TruncatedError: the file is shorter than it says.
            StreamRangeError: entries overlap, leave holes, or end elsewhere than the file.
        """
        return Container(_entries(self.described, self.data), self.metadata)


def outline(data: memoryview, limits: ReadLimits, budget: MemoryBudget) -> Outline:
    """The outline of a file.

    Raises:
        TruncatedError: the file is shorter than its header.
        LimitError: the header is larger than allowed, or would be in memory.
        ContainerError: it is malformed.
    """
    if len(data) < _LENGTH.size:
        raise TruncatedError(f"a file of {len(data)} bytes is no packed model")
    (size,) = _LENGTH.unpack(data[: _LENGTH.size])
    check_limit(
        "the file is no packed model, or its header has too many bytes",
        size,
        limits.header_bytes,
        "header_bytes",
    )
    start = _LENGTH.size + size
    if start > len(data):
        raise TruncatedError(f"the header takes {size:,} bytes, the file has {len(data):,}")
    try:
        header = parse_json(bytes(data[_LENGTH.size : start]).decode(), budget, pairs=_unique)
    except (ValueError, RecursionError) as error:
        raise ContainerError(f"the file's header is no JSON: {_first_line(error)}") from error
    if not isinstance(header, dict):
        raise ContainerError("the file's header is no JSON object")
    metadata = _text_only(header.pop(RESERVED, {}))
    return Outline(metadata, header, data[start:])


def parse_json(
    text: str,
    budget: MemoryBudget,
    pairs: Callable[[list[tuple[str, Any]]], Any] = dict,
) -> Any:
    """The content of a JSON text from a file.

    Args:
        text: believed in nothing.
        budget: for what it takes in memory.
        pairs: makes an object of its keys and values.

    Raises:
        LimitError: it would take more memory than there is left.
        ValueError: it is no JSON, deeper than anybody needs, or holds what is no text.
        RecursionError: it is so deep that the parser gave up.
    """
    values = text.count(",") + text.count("{") + text.count("[")
    budget.spend("metadata", len(text) + _BYTES_PER_VALUE * values)
    content = json.loads(text, object_pairs_hook=pairs)
    level = [content] if isinstance(content, dict | list) else []
    for _ in range(_DEEPEST):
        level = [
            inner for outer in level for inner in _inside(outer) if isinstance(inner, dict | list)
        ]
    if level:
        raise ValueError(f"it is nested more than {_DEEPEST} levels deep")
    json.dumps(content, ensure_ascii=False).encode()  # lone surrogates are no text
    return content


def _inside(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object in which no key stands twice."""
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise ValueError("a key stands twice")
    return unique


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]


def _text_only(metadata: Any) -> dict[str, str]:
    if not isinstance(metadata, dict) or not all(
        isinstance(value, str) for value in metadata.values()
    ):
        raise ContainerError("the file's metadata is not text by key")
    return metadata


def _entries(described: Mapping[str, Any], data: memoryview) -> dict[str, memoryview]:
    """The content of each entry; together they are all of `data`, without overlap."""
    ranges = {name: _range(name, entry) for name, entry in described.items()}
    covered = 0
    for name, (start, end) in sorted(ranges.items(), key=lambda item: item[1]):
        if start != covered:
            raise StreamRangeError(
                f"{name!r} starts at {start:,}, but data so far ends {covered:,}"
            )
        covered = end
    if covered > len(data):
        raise TruncatedError(f"the header promises {covered:,} bytes of data, not {len(data):,}")
    if covered < len(data):
        raise StreamRangeError(f"{len(data) - covered:,} bytes belong to no entry")
    return {name: data[start:end] for name, (start, end) in ranges.items()}


def _range(name: str, entry: Any) -> tuple[int, int]:
    """Start and end of an entry's bytes."""
    match entry:
        case {"dtype": "U8", "shape": [int(size)], "data_offsets": [int(start), int(end)]}:
            if 0 <= start <= end and end - start == size:
                return start, end
            raise StreamRangeError(f"{name!r} has {size:,} bytes from {start:,} to {end:,}")
        case _:
            raise ContainerError(f"{name!r} is not described as a row of bytes (dtype U8)")
