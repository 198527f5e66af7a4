"""Texts that are too long, counted where they are cut: nobody has to tokenize them once more."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from tokenizers import Encoding


@dataclass
class Cuts:
    """How many texts were cut.

    Attributes:
        number: so far.
    """

    number: int = 0


_counted: ContextVar[Cuts | None] = ContextVar("cuts", default=None)


@contextmanager
def counting_cuts() -> Iterator[Cuts]:
    """Counts the texts that tasks cut in the block, on this thread."""
    cuts = Cuts()
    token = _counted.set(cuts)
    try:
        yield cuts
    finally:
        _counted.reset(token)


def count_cuts(encodings: Sequence[Encoding]) -> None:
    """Adds those of which something was cut off, if anybody counts."""
    if _counted.get() is not None:
        add_cuts(sum(bool(encoding.overflowing) for encoding in encodings))


def add_cuts(number: int) -> None:
    """Adds so many, if anybody counts."""
    cuts = _counted.get()
    if cuts is not None:
        cuts.number += number
