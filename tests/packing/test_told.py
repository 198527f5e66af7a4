from pathlib import Path

import pytest

from fineprune.packing.told import content_of, json_object, yaml_mapping


@pytest.mark.parametrize("read", [json_object, yaml_mapping])
@pytest.mark.parametrize(
    "content",
    [None, b"", b"[]", b"1", b"{", b"\xff", b"[" * 100_000, b"a: &x 1\nb: *x", b"null"],
    ids=range(9),
)
def test_what_is_damaged_tells_nothing(read: object, content: bytes | None) -> None:
    assert callable(read)
    assert read(content) == {}


def test_what_is_told() -> None:
    assert json_object(b'{"a": [1, "b"]}') == {"a": [1, "b"]}
    assert yaml_mapping(b"a: [1, b]") == {"a": [1, "b"]}


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    assert content_of(tmp_path / "file") == b"x"
    assert content_of(tmp_path) is None
    assert content_of(tmp_path / "missing") is None
