import json
import struct
from typing import Any

import pytest
from safetensors import safe_open

from fineprune.packing.container import Container, to_parts
from fineprune.packing.errors import (
    ChecksumError,
    ContainerError,
    LimitError,
    StreamRangeError,
    TruncatedError,
)
from tests.packing.crafting import container_of

CONTENT = Container({"b": b"12345", "a": b"", "é": b"\0\xff"}, {"key": 'te"xt\n', "b": "c"})


def written(container: Container) -> bytes:
    return b"".join(to_parts(container))


def file_with_header(header: Any, data: bytes = b"12345678") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(start: int, end: int, size: int | None = None, dtype: str = "U8") -> dict[str, Any]:
    shape = [end - start if size is None else size]
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def test_what_is_written_is_container_of() -> None:
    container = container_of(written(CONTENT))
    container.verify()
    assert {name: bytes(content) for name, content in container.entries.items()} == CONTENT.entries
    assert container.metadata["key"] == CONTENT.metadata["key"]


def test_the_safetensors_library_reads_it(tmp_path: Any) -> None:
    file = tmp_path / "container.safetensors"
    file.write_bytes(written(CONTENT))
    with safe_open(file, framework="numpy") as library:
        assert library.get_tensor("b").tobytes() == b"12345"
        assert library.get_tensor("a").shape == (0,)
        assert library.metadata()["key"] == CONTENT.metadata["key"]


def test_the_order_of_entries_does_not_change_the_checksum() -> None:
    turned = Container(
        dict(reversed(list(CONTENT.entries.items()))),
        dict(reversed(list(CONTENT.metadata.items()))),
    )
    assert turned.checksum() == CONTENT.checksum()


def test_any_change_changes_the_checksum() -> None:
    assert CONTENT.checksum() != Container({**CONTENT.entries, "b": b"12344"}, {}).checksum()
    data = written(CONTENT)
    with pytest.raises(ChecksumError):
        container_of(data.replace(b"12345", b"12344")).verify()
    with pytest.raises(ChecksumError):
        container_of(data.replace(b'"key"', b'"kez"')).verify()


def test_a_file_cut_anywhere_is_refused() -> None:
    data = written(CONTENT)
    for end in range(len(data)):
        with pytest.raises(TruncatedError):
            container_of(data[:end])


def test_a_header_of_terabytes_is_refused_before_it_is_container_of() -> None:
    with pytest.raises(LimitError, match="header"):
        container_of(struct.pack("<Q", 1 << 42) + b"{}")


@pytest.mark.parametrize(
    "header",
    [
        b"{",
        b"\xff",
        b"[]",
        b"7",
        b'{"a": 1, "a": 2}',
        b"[" * 100_000,
        b'{"\\ud800": {}}',
        b'{"n": ' + b"9" * 5000 + b"}",
        {"a": None},
        {"a": {}},
        {"a": entry(0, 8, dtype="F32")},
        {"a": {**entry(0, 8), "shape": [4, 2]}},
        {"a": {**entry(0, 8), "shape": [8.0]}},
        {"a": {**entry(0, 8), "data_offsets": [0]}},
        {"a": {**entry(0, 8), "data_offsets": "08"}},
        {"a": entry(0, 8), "__metadata__": {"key": 1}},
        {"a": entry(0, 8), "__metadata__": []},
    ],
)
def test_a_malformed_header_is_refused(header: Any) -> None:
    with pytest.raises(ContainerError):
        container_of(file_with_header(header))


@pytest.mark.parametrize(
    "header",
    [
        {"a": entry(0, 5), "b": entry(4, 8)},  # overlap
        {"a": entry(0, 8), "b": entry(0, 8)},
        {"a": entry(0, 4), "b": entry(5, 8)},  # hole
        {"a": entry(1, 8)},
        {"a": entry(0, 7)},  # a byte of no entry
        {"a": entry(-1, 8)},
        {"a": entry(5, 3)},
        {"a": entry(0, 8, size=9)},
        {"a": entry(0, 4), "b": entry(1 << 40, (1 << 40) + 4)},  # out of range
        {},
    ],
)
def test_entries_that_do_not_fit_together_are_refused(header: Any) -> None:
    with pytest.raises(StreamRangeError):
        container_of(file_with_header(header))


def test_an_entry_past_the_end_of_the_file_is_refused() -> None:
    with pytest.raises(TruncatedError):
        container_of(file_with_header({"a": entry(0, 1 << 60)}))
