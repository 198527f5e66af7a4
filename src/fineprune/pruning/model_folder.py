"""A packed file wherever a model folder is expected."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from fineprune.errors import FinepruneError
from fineprune.packing import unpack


@contextmanager
def model_folder(path: Path) -> Iterator[Path]:
    """The folder of a model: `path` itself, or what the packed file at `path` unpacks to.

    Yields:
        A folder; that of a packed file is gone when the block ends.

    Raises:
        PackedFileError: `path` is a file, but no packed model, or a damaged one.
        FinepruneError: the block's own, which names the packed file in place of its folder.
    """
    if not path.is_file():
        yield path
        return
    with TemporaryDirectory(prefix="fineprune-") as scratch:
        folder = Path(scratch) / path.stem
        unpack(path, folder)
        try:
            yield folder
        except FinepruneError as error:
            raise type(error)(str(error).replace(str(folder), str(path))) from error
