"""Files and folders that appear whole or not at all."""

import errno
import json
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fineprune.errors import FileTakenError, FolderTakenError, WritingError

_FAILED_WRITES = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO})


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Writes a file by atomic rename: no reader, and no crash, ever sees a part of it.

    The block writes the file at the temporary path it is given; when it ends without an error,
    that file takes the place of `path`, or of what `path` links to. After an error `path` is as it
    was, with nothing beside it.

    Args:
        path: the file to appear; its folder exists.

    Yields:
        A path in the same folder, because a rename is atomic only inside of one file system.

    Raises:
        FileTakenError: there is something at `path` that is no file: a folder, a device, a pipe.
        WritingError: the file cannot be written.
    """
    target = place_of_file(path)
    temporary = _beside(target)
    try:
        with _told_of(path, temporary):
            yield temporary
            temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Writes a JSON file by atomic rename.

    Raises:
        FileTakenError: there is something at `path` that is no file.
        WritingError: the file cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")


def place_of_file(path: Path) -> Path:
    """Where a file that is written to `path` will stand: there, or where a link at `path` leads.

    Raises:
        FileTakenError: there is something that is no file: a folder, a device, a pipe.
    """
    target = _resolved(path)
    if target.exists() and not target.is_file():
        what = "a folder" if target.is_dir() else "no regular file"
        raise FileTakenError(f"{path} is {what}; name a file")
    return target


def require_place(path: Path) -> None:
    """Checks before long work that a file can stand at a path when it is done.

    Raises:
        FileTakenError: there is something at `path` that is no file.
        WritingError: there is no folder to hold it.
    """
    folder = place_of_file(path).parent
    if not folder.is_dir():
        raise WritingError(f"{path} cannot be written: there is no folder {folder}; make it first")


def is_taken(path: Path) -> bool:
    """Whether something would be lost by making a folder there: a file, or what a folder holds."""
    return path.exists() and (not path.is_dir() or any(path.iterdir()))


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Makes a folder by atomic rename: it appears with all of its files, or not at all.

    The block fills the folder at the temporary path it is given. After an error nothing is left,
    nor are folders that were made on the way to `path`.

    Args:
        path: the folder to appear; it does not exist, or is empty, or links to such a place.

    Yields:
        A new folder beside it, because a rename is atomic only inside of one file system.

    Raises:
        FolderTakenError: there is something at `path`, or it is the current folder.
        WritingError: the folder cannot be written.
    """
    target = _resolved(path)
    if is_taken(target):
        what = "not empty" if target.is_dir() else "a file"
        raise FolderTakenError(f"{path} is {what}; name a new folder")
    if target == Path.cwd():  # which cannot be renamed to
        raise FolderTakenError(f"{path} cannot be replaced; name a new folder in it")
    temporary = _beside(target)
    missing = [folder for folder in target.parents if not folder.exists()]  # the deepest first
    try:
        with _told_of(path, *missing, temporary):
            temporary.mkdir(parents=True)
            yield temporary
            temporary.replace(target)
            missing.clear()
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        for folder in missing:
            _remove_empty(folder)


def remove_folder(path: Path) -> None:
    """Removes a folder that others may look for: it disappears at once, not file by file."""
    doomed = _beside(path)
    path.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def _resolved(path: Path) -> Path:
    """The path that all links on the way, and at its end, lead to."""
    try:
        target = path.resolve()
        is_loop = target.is_symlink()
    except (OSError, RuntimeError):  # the second before Python 3.13
        is_loop = True
    if is_loop:
        raise FileTakenError(f"{path} is a link that leads to itself; name another place")
    return target


def _beside(path: Path) -> Path:
    """A path that nobody else has in mind, in the same folder."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}")


@contextmanager
def _told_of(path: Path, *written: Path) -> Iterator[None]:
    """Says of what cannot be written that `path` cannot, whatever it is called for the time being.

    Args:
        path: as the user knows it.
        written: what is written in the block.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, WritingError) or not _is_of(error, written):
            raise
        reason = error.strerror or "it failed"
        raise WritingError(f"{path} cannot be written: {reason}; name another place") from error


def _is_of(error: OSError, written: tuple[Path, ...]) -> bool:
    """Whether an error comes from writing one of these, or what is in it."""
    if not isinstance(error.filename, str):
        return error.errno in _FAILED_WRITES  # of an open file there is no name
    failed = Path(error.filename)
    return any(failed == one or one in failed.parents for one in written)


def _remove_empty(folder: Path) -> None:
    """Removes a folder, unless somebody has put something there."""
    try:
        folder.rmdir()
    except OSError:
        return
