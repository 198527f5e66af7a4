"""Imports of optional parts: a missing dependency becomes one line that says what to install."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from fineprune.errors import MissingExtraError

Extra = Literal["parquet", "scale", "tasks", "train", "report", "demo", "embed"]


@contextmanager
def needs(extra: Extra, what: str) -> Iterator[None]:
    """Guards imports that work only with an optional part of the installation.

    Args:
        extra: the extra that brings the dependencies.
        what: what is asked for, as the user knows it: a public name or a command.

    Raises:
        MissingExtraError: an import in the block finds a dependency missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing.partition(".")[0] == "fineprune":
            raise  # a mistake of ours, not a missing dependency
        raise MissingExtraError(
            f"{what} needs the package {missing!r}, which is not installed: "
            f'pip install "fineprune[{extra}]"'
        ) from error
