from pathlib import Path

import pytest

from fineprune.errors import FolderTakenError
from fineprune.files import new_folder, replacing


def test_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "metrics.json"
    with replacing(target) as temporary:
        temporary.write_text("new", encoding="utf-8")
        assert not target.exists()
    assert target.read_text(encoding="utf-8") == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "metrics.json"
    target.write_text("old", encoding="utf-8")

    def write_half() -> None:
        with replacing(target) as temporary:
            temporary.write_text("ne", encoding="utf-8")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        write_half()
    assert target.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_two_writers_do_not_share_a_temporary_file(tmp_path: Path) -> None:
    target = tmp_path / "metrics.json"
    with replacing(target) as first, replacing(target) as second:
        assert first != second
        first.write_text("first", encoding="utf-8")
        second.write_text("second", encoding="utf-8")
    assert target.read_text(encoding="utf-8") == "first"


def test_folder_appears_when_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "further" / "plain"
    with new_folder(target) as temporary:
        (temporary / "config.json").write_text("{}", encoding="utf-8")
        assert not target.exists()
    assert [path.name for path in target.iterdir()] == ["config.json"]
    assert list(target.parent.iterdir()) == [target]


def test_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    with new_folder(tmp_path / "plain") as temporary:
        (temporary / "config.json").write_text("{}", encoding="utf-8")
    assert (tmp_path / "plain" / "config.json").is_file()


def test_error_leaves_no_folder(tmp_path: Path) -> None:
    def fill_half() -> None:
        with new_folder(tmp_path / "plain") as temporary:
            (temporary / "config.json").write_text("{", encoding="utf-8")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        fill_half()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("target", "said"),
    [("full", "is not empty"), ("file", "is a file"), (".", "cannot be replaced")],
)
def test_what_is_there_is_not_replaced_by_a_folder(
    target: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("full", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").write_text("content", encoding="utf-8")
    (tmp_path / "full" / "file").write_text("content", encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.chdir(tmp_path / "empty" if target == "." else tmp_path)
    with pytest.raises(FolderTakenError, match=said), new_folder(Path(target)):
        pass
    assert sorted(tmp_path.rglob("*")) == before
