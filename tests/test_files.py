import errno
import os
import stat
from pathlib import Path

import pytest

from fineprune.errors import FileTakenError, FolderTakenError, WritingError
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


# What a path leads to.


def write(path: Path, content: str = "new") -> None:
    with replacing(path) as temporary:
        temporary.write_text(content, encoding="utf-8")


def fill(path: Path) -> None:
    with new_folder(path) as temporary:
        (temporary / "config.json").write_text("{}", encoding="utf-8")


def test_a_link_to_a_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "file"
    target.write_text("old", encoding="utf-8")
    link, second = tmp_path / "link", tmp_path / "second"
    link.symlink_to(Path("elsewhere") / "file")
    second.symlink_to(link)
    for path, content in ((link, "new"), (second, "newer")):
        write(path, content)
        assert target.read_text(encoding="utf-8") == content
    assert link.is_symlink()
    assert second.is_symlink()
    assert list(target.parent.iterdir()) == [target]


def test_a_link_to_nothing_is_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("file")
    write(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text(encoding="utf-8") == "new"
    (tmp_path / "folder-link").symlink_to("folder")
    fill(tmp_path / "folder-link")
    assert (tmp_path / "folder-link").is_symlink()
    assert (tmp_path / "folder" / "config.json").is_file()


def test_a_link_to_an_empty_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("empty")
    fill(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "empty" / "config.json").is_file()


def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    pipe, folder, link = tmp_path / "pipe", tmp_path / "folder", tmp_path / "link"
    os.mkfifo(pipe)
    folder.mkdir()
    link.symlink_to(pipe)
    paths = {pipe: "no regular file", link: "no regular file", folder: "a folder"}
    for path, said in {**paths, Path(os.devnull): "no regular file"}.items():
        with pytest.raises(FileTakenError, match=f"{path} is {said}; name a file"):
            write(path)
    assert stat.S_ISFIFO(pipe.lstat().st_mode)
    assert Path(os.devnull).is_char_device()
    assert set(tmp_path.iterdir()) == set(paths)


def test_a_link_that_leads_to_itself(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("link")
    for action in (write, fill):
        with pytest.raises(FileTakenError, match="leads to itself"):
            action(link)
    assert list(tmp_path.iterdir()) == [link]


# What cannot be written.


def test_a_full_disk_is_told_of_and_leaves_nothing(tmp_path: Path) -> None:
    def write_much() -> None:
        with replacing(tmp_path / "file") as temporary:
            temporary.write_bytes(b"much")
            raise OSError(errno.ENOSPC, "No space left on device")  # without a name, as by `write`

    def fill_much() -> None:
        with new_folder(tmp_path / "further" / "folder") as temporary:
            path = temporary / "file"
            path.write_bytes(b"much")
            raise OSError(errno.ENOSPC, "No space left on device", str(path))

    for action, name in ((write_much, "file"), (fill_much, "further/folder")):
        with pytest.raises(WritingError) as caught:
            action()
        said = f"{tmp_path / name} cannot be written: No space left on device; name another place"
        assert str(caught.value) == said
        assert list(tmp_path.iterdir()) == []


def test_no_folder_for_a_file(tmp_path: Path) -> None:
    with pytest.raises(WritingError, match="file cannot be written: No such file or directory"):
        write(tmp_path / "missing" / "file")
    (tmp_path / "file").write_text("content", encoding="utf-8")
    with pytest.raises(WritingError, match="folder cannot be written: Not a directory"):
        fill(tmp_path / "file" / "folder")
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_other_errors_of_the_block_are_its_own(tmp_path: Path) -> None:
    def read_what_is_not_there() -> None:
        with new_folder(tmp_path / "folder"):
            (tmp_path / "source").read_bytes()

    def lose_the_network() -> None:
        with replacing(tmp_path / "file"):
            raise ConnectionError("no route")

    with pytest.raises(FileNotFoundError) as caught:
        read_what_is_not_there()
    assert not isinstance(caught.value, WritingError)
    with pytest.raises(ConnectionError, match="no route"):
        lose_the_network()
    assert list(tmp_path.iterdir()) == []


def test_folders_on_the_way_that_somebody_uses_stay(tmp_path: Path) -> None:
    def share() -> None:
        with new_folder(tmp_path / "shared" / "own" / "folder"):
            (tmp_path / "shared" / "file").write_text("theirs", encoding="utf-8")
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        share()
    assert [path.name for path in tmp_path.rglob("*")] == ["shared", "file"]
