"""One line out of any error, for messages about what others wrote."""

from textwrap import shorten

_MOST_CHARACTERS = 300


def one_line(error: Exception) -> str:
    """Kind and text of an error of another library, on one line and not too long."""
    return shorten(f"{type(error).__name__}: {error}", width=_MOST_CHARACTERS, placeholder=" ...")
