"""Files that appear whole or not at all."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fineprune.errors import FolderTakenError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Writes a file by atomic rename: no reader, and no crash, ever sees a part of it.

    The block writes the file at the temporary path it is given; when it ends without an error,
    that file takes the place of `path`. After an error `path` is as it was, with nothing beside it.

    Args:
        path: the file to appear; its folder exists.

    Yields:
        A path in the same folder, because a rename is atomic only inside of one file system.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def is_taken(path: Path) -> bool:
    """Whether something would be lost by making a folder there: a file, or what a folder holds."""
    return path.exists() and (not path.is_dir() or any(path.iterdir()))


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Makes a folder by atomic rename: it appears with all of its files, or not at all.

    The block fills the folder at the temporary path it is given.

    Args:
        path: the folder to appear; it does not exist, or is empty.

    Yields:
        A new folder beside it, because a rename is atomic only inside of one file system.

    Raises:
        FolderTakenError: there is something at `path`, or it is the current folder.
    """
    if is_taken(path):
        what = "not empty" if path.is_dir() else "a file"
        raise FolderTakenError(f"{path} is {what}; name a new folder")
    if not path.name:  # of `.`, which cannot be renamed to
        raise FolderTakenError(f"{path} cannot be replaced; name a new folder in it")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    temporary.mkdir()
    try:
        yield temporary
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
