"""Version 1 for ever; version 2 where something is required that version 1 does not have."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from fineprune.errors import PackedFileError
from fineprune.packing import PackedModel, ReadLimits, metadata, pack
from fineprune.packing.errors import MetadataError, VersionError
from fineprune.packing.metadata import Metadata
from fineprune.packing.reader import from_packed_bytes
from tests.packing import reference_reader
from tests.packing.crafting import changed, container_of
from tests.packing.folders import tiny_tensors, write_folder

VERSION_1 = {"format": "fineprune", "version": "1"}
VERSION_2 = {"fineprune.version": "2", "fineprune.requires": "[]"}


def read(data: bytes) -> PackedModel:
    return from_packed_bytes(data, ReadLimits())


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("versions")
    pack(write_folder(folder / "plain", tiny_tensors()), folder / "packed")
    return (folder / "packed").read_bytes()


def stamped(data: bytes, **keys: str | None) -> bytes:
    """A file with other keys that tell its version; a double underscore stands for the dot."""

    def change(_: dict[str, bytes], texts: dict[str, str]) -> None:
        for key in VERSION_1:
            del texts[key]
        texts.update(
            {key.replace("__", "."): text for key, text in keys.items() if text is not None}
        )

    return changed(data, change)


def version_2(data: bytes, **keys: str | None) -> bytes:
    """The same file as version 2."""
    return stamped(data, **{"fineprune__version": "2", "fineprune__requires": "[]", **keys})


def test_what_is_packed_is_version_1(packed: bytes) -> None:
    texts = container_of(packed).metadata
    assert set(texts) == {"format", "version", "config", "provenance", "tied", "crc32"}
    assert VERSION_1.items() <= texts.items()


def test_version_2_is_written_where_a_feature_is_required() -> None:
    model = Metadata({"a": 1}, {}, {})
    objects = {"config": '{"a":1}', "provenance": "{}", "tied": "{}"}
    assert model.to_texts() == {**VERSION_1, **objects}
    written = model.to_texts(requires=["shared-codes", "rows"])
    assert written == {
        "fineprune.version": "2",
        "fineprune.requires": '["rows","shared-codes"]',
        **objects,
    }


@pytest.mark.parametrize("other", [{}, {"format": "pt"}, {"format": "pt", "version": "9"}])
def test_version_2_holds_what_version_1_holds(packed: bytes, other: dict[str, Any]) -> None:
    data = version_2(packed, **other)
    before, after, theirs = read(packed), read(data), reference_reader.read(data)
    assert after.config == before.config == theirs.config
    assert after.provenance == before.provenance
    assert list(after.tensors) == list(before.tensors) == list(theirs.tensors)
    for name, tensor in before.tensors.items():
        array = after.tensors[name].to_array()
        np.testing.assert_array_equal(array, tensor.to_array())
        np.testing.assert_array_equal(array.ravel(), np.array(theirs.tensors[name][1], array.dtype))


def test_keys_of_version_2_change_nothing_in_version_1(packed: bytes) -> None:
    keys = {"fineprune__version": "7", "fineprune__requires": "nonsense"}
    data = stamped(packed, format="fineprune", version="1", **keys)
    assert read(data).config == reference_reader.read(data).config == read(packed).config


def test_a_feature_that_is_not_known_is_refused_by_name(packed: bytes) -> None:
    data = version_2(packed, fineprune__requires='["shared-codes"]')
    with pytest.raises(VersionError, match=r"requires 'shared-codes', .*: upgrade fineprune"):
        read(data)


def test_a_feature_that_is_known_is_no_obstacle(
    packed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata, "FEATURES", frozenset({"one", "two"}))
    data = version_2(packed, fineprune__requires='["two", "one"]')
    assert read(data).config == read(packed).config
    with pytest.raises(VersionError, match="requires 'three'"):
        read(version_2(packed, fineprune__requires='["one", "three"]'))


@pytest.mark.parametrize(
    "text", [None, "", "{}", '"a"', "[1]", "[null]", "[[]]", "[", '["\\ud800"]']
)
def test_requirements_that_are_no_list_of_names(packed: bytes, text: str | None) -> None:
    with pytest.raises(MetadataError, match=r"fineprune\.requires"):
        read(version_2(packed, fineprune__requires=text))


@pytest.mark.parametrize("version", ["1", "3", "20", "", "two", "2.0", "x" * 5000])
def test_a_newer_version(packed: bytes, version: str) -> None:
    with pytest.raises(VersionError, match=r"this reader knows 1 and 2: upgrade") as caught:
        read(version_2(packed, fineprune__version=version))
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("version", ["2", "0", "", "one", "1.0", "x" * 5000])
def test_format_goes_with_version_1_and_no_other(packed: bytes, version: str) -> None:
    with pytest.raises(VersionError, match="only 1 can be") as caught:
        read(version_2(packed, format="fineprune", version=version))
    assert len(str(caught.value)) < 200
    with pytest.raises(VersionError):
        read(version_2(packed, format="fineprune"))


def test_a_requirement_comes_before_anything_else_is_looked_at(tmp_path: Path) -> None:
    texts = {"fineprune.version": "2", "fineprune.requires": '["floats"]', "config": "{"}
    save_file({"w": np.zeros(3, np.float32)}, tmp_path / "file", metadata=texts)
    with pytest.raises(VersionError, match="'floats'"):
        read((tmp_path / "file").read_bytes())


@pytest.mark.parametrize(
    "key", ["fineprune.version", "fineprune.requires", "config", "provenance", "tied", "crc32"]
)
def test_all_keys_of_version_2_are_needed(packed: bytes, key: str) -> None:
    refused_without(version_2(packed), key)


@pytest.mark.parametrize("key", ["format", "version", "config", "provenance", "tied", "crc32"])
def test_all_keys_of_version_1_are_needed(packed: bytes, key: str) -> None:
    refused_without(packed, key)


def refused_without(data: bytes, key: str) -> None:
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    del header["__metadata__"][key]
    text = json.dumps(header).encode()
    with pytest.raises(PackedFileError):
        read(len(text).to_bytes(8, "little") + text + data[8 + size :])
    if key != "crc32":  # not only the checksum noticed
        with pytest.raises((MetadataError, VersionError)):
            read(changed(data, lambda _, texts: texts.pop(key)))
