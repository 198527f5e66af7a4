"""The safetensors file around the records: https://github.com/huggingface/safetensors.

Written and read here rather than by the library: its writer orders metadata by chance, so that
equal models would give unequal files, and its reader's errors do not tell what was wrong.
"""

import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fineprune.packing import names
from fineprune.packing.errors import (
    ChecksumError,
    ContainerError,
    StreamRangeError,
    TruncatedError,
)
from fineprune.packing.limits import ReadLimits, check_limit

_LENGTH = struct.Struct("<Q")
_CHECKSUM = "crc32"


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


def to_parts(container: Container) -> Iterator[bytes | memoryview]:
    """The bytes of a file, in parts."""
    header: dict[str, Any] = {
        names.RESERVED: {**container.metadata, _CHECKSUM: container.checksum()},
    }
    end = 0
    for name, content in container.entries.items():
        start, end = end, end + len(content)
        header[name] = {"dtype": "U8", "shape": [len(content)], "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    yield _LENGTH.pack(len(text))
    yield text
    yield from container.entries.values()


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


def outline(data: memoryview, limits: ReadLimits) -> Outline:
    """The outline of a file.

    Raises:
        TruncatedError: the file is shorter than its header.
        LimitError: the header is larger than allowed.
        ContainerError: it is malformed.
    """
    if len(data) < _LENGTH.size:
        raise TruncatedError(f"a file of {len(data)} bytes is no packed model")
    (size,) = _LENGTH.unpack(data[: _LENGTH.size])
    check_limit(
        "the file is no packed model, or its header has too many bytes", size, limits.header_bytes
    )
    start = _LENGTH.size + size
    if start > len(data):
        raise TruncatedError(f"the header takes {size:,} bytes, the file has {len(data):,}")
    header = _parse(bytes(data[_LENGTH.size : start]))
    metadata = _text_only(header.pop(names.RESERVED, {}))
    return Outline(metadata, header, data[start:])


def _parse(text: bytes) -> dict[str, Any]:
    """A JSON object in which no key stands twice."""
    try:
        header = json.loads(text.decode(), object_pairs_hook=_unique)
        json.dumps(header, ensure_ascii=False).encode()  # lone surrogates are no text
    except (ValueError, RecursionError) as error:
        raise ContainerError(f"the file's header is no JSON: {_first_line(error)}") from error
    if not isinstance(header, dict):
        raise ContainerError("the file's header is no JSON object")
    return header


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
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
