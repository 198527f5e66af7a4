"""Small files that go with a model: tokenizer, recipe, metrics."""

import re
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

from fineprune.packing.errors import MetadataError, TruncatedError, ValueRangeError
from fineprune.packing.limits import ReadLimits, check_limit

_TOKENIZER = "tokenizer.json"

ATTACHED = (
    _TOKENIZER,
    "tokenizer_config.json",
    "special_tokens_map.json",
    "preprocessor_config.json",
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "1_Pooling/config.json",
    "recipe.yaml",
    "metrics.json",
)
"""What is taken along from a model's folder where it is there."""

_VOCABULARIES = ("vocab.txt", "vocab.json", "merges.txt", "added_tokens.json")
"""Of a tokenizer in the older form, which `tokenizer.json` holds all of."""

_SIZE = struct.Struct("<I")
# No absolute path, no way up, no hidden file, nothing that anybody would execute, nothing too long
# for a file system; and no folder of a name that a file may have.
_SAFE = re.compile(
    r"([A-Za-z0-9_][A-Za-z0-9_-]{0,99}/){0,3}[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}\.(json|yaml|txt)"
)
_TAKEN = frozenset({"config.json", "model.safetensors.index.json"})  # that unpacking itself writes


def find_attachments(folder: Path) -> dict[str, bytes]:
    """Content of the files to take along, by path in the folder."""
    older = () if (folder / _TOKENIZER).is_file() else _VOCABULARIES
    files = {name: folder / name for name in (*ATTACHED, *older)}
    return {name: path.read_bytes() for name, path in files.items() if path.is_file()}


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
        if not _SAFE.fullmatch(name) or name.lower() in _TAKEN:
            raise MetadataError(f"{name!r} is no name for an attached file")
        if len(record) < _SIZE.size:
            raise TruncatedError(f"the attached file {name!r} has no size")
        (size,) = _SIZE.unpack(record[: _SIZE.size])
        check_limit("bytes of attached files", size, left)
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
