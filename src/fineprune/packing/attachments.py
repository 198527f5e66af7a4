"""Small files that go with a model, its tokenizer among them: compressed, with safe names."""

import re
import struct
import zlib
from collections.abc import Mapping

from fineprune.packing.errors import MetadataError, TruncatedError, ValueRangeError
from fineprune.packing.limits import ReadLimits, check_limit

_SIZE = struct.Struct("<I")
# No absolute path, no way up, no hidden file, nothing that anybody would execute, nothing too long
# for a file system; and no folder of a name that a file may have.
_SAFE = re.compile(
    r"([A-Za-z0-9_][A-Za-z0-9_-]{0,99}/){0,3}[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}\.(json|yaml|txt)"
)
_TAKEN = frozenset({"config.json", "model.safetensors.index.json"})  # that unpacking itself writes


def is_safe(name: str) -> bool:
    """Whether an attached file may have this path."""
    return _SAFE.fullmatch(name) is not None and name.lower() not in _TAKEN


def compress(content: bytes) -> bytes:
    """The size, and the content as a zlib stream."""
    return _SIZE.pack(len(content)) + zlib.compress(content, level=9)


def expand(records: Mapping[str, memoryview], limits: ReadLimits) -> dict[str, bytes]:
    """The inverse of `compress` for all attachments of a file.

    Raises:
        MetadataError: a name is not one that can be written into a folder.
        LimitError: they are larger than allowed.
        PackedFileError: a record is damaged.
    """
    left = limits.attachment_bytes
    contents = {}
    for name, record in records.items():
        if not is_safe(name):
            raise MetadataError(f"{name!r} is no name for an attached file")
        if len(record) < _SIZE.size:
            raise TruncatedError(f"the attached file {name!r} has no size")
        (size,) = _SIZE.unpack(record[: _SIZE.size])
        check_limit("bytes of attached files", size, left, "attachment_bytes")
        contents[name] = _expand(name, record[_SIZE.size :], size)
        left -= size
    return contents


def _expand(name: str, compressed: memoryview, size: int) -> bytes:
    expander = zlib.decompressobj()
    try:
        content = expander.decompress(compressed, size + 1)  # never more than announced
    except zlib.error as error:
        raise ValueRangeError(f"the attached file {name!r} is no zlib stream: {error}") from error
    if len(content) != size or not expander.eof or expander.unused_data:
        raise ValueRangeError(f"the attached file {name!r} is not of {size:,} bytes")
    return content
