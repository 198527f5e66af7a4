"""Values of a row as texts and numbers."""

import math

from fineprune.tasks.classification.labels import UnusableValueError, is_missing
from fineprune.wording import quoted


def text_of(name: str, value: object) -> str:
    """A text.

    Raises:
        UnusableValueError: the value is none, or blank.
    """
    if not isinstance(value, str):
        found = "missing" if is_missing(value) else f"{quoted(value)}, no text"
        raise UnusableValueError(f"the text in column {name!r} is {found}")
    if not value.strip():
        raise UnusableValueError(f"the text in column {name!r} is blank")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise UnusableValueError(f"the text in column {name!r} is not Unicode: {error}") from error
    return value


def number_of(name: str, value: object) -> float:
    """A finite number, which may be written as text.

    Raises:
        UnusableValueError: the value is none.
    """
    try:
        number = float(value) if isinstance(value, str | int | float) else math.nan
    except (OverflowError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number):
        found = "missing" if value is None or value == "" else f"{quoted(value)}, no finite number"
        raise UnusableValueError(f"the score in column {name!r} is {found}")
    return number
