"""Raw labels to names, and the order of names."""

import re
from collections.abc import Iterable

from fineprune.wording import quoted

_WHOLE_NUMBER = re.compile(r"-?[0-9]+")


class UnusableValueError(ValueError):
    """A value that a text or a label cannot be made of; its row is broken."""


def label_name(value: object) -> str:
    """The name of a class: text as it is, a whole number or truth value as JSON writes it.

    Raises:
        UnusableValueError: the value is missing, or of another type.
    """
    if value is None or value == "":
        raise UnusableValueError("the label is missing")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    raise UnusableValueError(
        f"the label {quoted(value)} is of type {type(value).__name__}, "
        "and text or a whole number is expected"
    )


def ordered(names: Iterable[str]) -> tuple[str, ...]:
    """Each name once: by value where all are whole numbers, else by code points.

    >>> ordered(["10", "9", "10"])
    ('9', '10')
    >>> ordered(["b", "10", "9"])
    ('10', '9', 'b')
    """
    distinct = sorted(set(names))
    if all(_WHOLE_NUMBER.fullmatch(name) for name in distinct):
        distinct.sort(key=int)
    return tuple(distinct)
