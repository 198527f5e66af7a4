"""Rows of a corpus: their texts, or what is wrong with them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fineprune.text.characters import without_surrogates
from fineprune.wording import quoted

NOT_UTF_8 = "is not UTF-8 text"


@dataclass(frozen=True, slots=True)
class Row:
    """What a model is asked.

    Attributes:
        number: of the row, counted from 1.
        texts: one, or two where the model takes pairs; none where they cannot be had.
        fault: why not; empty otherwise.
    """

    number: int
    texts: tuple[str, ...] = ()
    fault: str = ""


def row_of(number: int, names: Sequence[str], values: Sequence[Any]) -> Row:
    """A row of raw values; whatever is no text makes it a broken one.

    Args:
        number: of the row.
        names: of the columns.
        values: one of each column; for bytes that are no text, the error.
    """
    faults = [fault for pair in zip(names, values, strict=True) if (fault := _fault(*pair))]
    if faults:
        return Row(number, fault=faults[0])
    return Row(number, tuple(without_surrogates(str(value)) for value in values))


def _fault(name: str, value: Any) -> str:
    if isinstance(value, UnicodeDecodeError):
        return f"column {name!r} {NOT_UTF_8}"
    if value is None or (isinstance(value, float) and value != value):  # pandas' missing value
        return f"column {name!r} is null"
    if not isinstance(value, str):
        return f"column {name!r} is {quoted(value)}, of type {type(value).__name__}, and no text"
    return ""
