"""Files that appear whole or not at all."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
