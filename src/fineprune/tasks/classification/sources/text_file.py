"""Opening the text files of users."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from fineprune.errors import DataError
from fineprune.tasks.classification.sources.source import Source


@contextmanager
def text_of(source: Source, newline: str | None = None) -> Iterator[TextIO]:
    """The file as UTF-8 text, with or without a byte order mark, decompressed if it ends in `.gz`.

    Errors while it is read are translated as well as errors when it is opened.

    Raises:
        DataError: the file is missing, cannot be read, or is not what its name says.
    """
    path = Path(source.path)
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8-sig", newline=newline) as stream:
            yield stream
    except UnicodeDecodeError as error:
        raise DataError(f"{source} is not UTF-8 text ({error.reason}): convert it first") from error
    except FileNotFoundError as error:
        raise DataError(f"{source}: there is no such file; check the path in the recipe") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{source} is not a whole gzip file: {error}") from error
    except OSError as error:
        raise DataError(f"{source} cannot be read: {error.strerror}") from error
