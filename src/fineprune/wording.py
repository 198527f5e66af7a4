"""How values and names are put into messages: always on one line, never endless."""

from collections.abc import Iterable

_LONGEST_VALUE = 80
_MOST_NAMES = 20


def quoted(value: object) -> str:
    """The value as Python writes it, cut where it is long.

    >>> print(quoted("text"))
    'text'
    """
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "..."


def listed(names: Iterable[object]) -> str:
    """The names in their order, the first ones where they are many.

    >>> listed(["text", "intent"])
    "'text', 'intent'"
    """
    shown = [quoted(name) for name in names]
    if len(shown) <= _MOST_NAMES:
        return ", ".join(shown)
    return f"{', '.join(shown[:_MOST_NAMES])}, ... ({len(shown)} in all)"


def first_line(error: BaseException) -> str:
    """The first line of what another library's error says, or its kind if it says nothing.

    >>> first_line(ValueError("no such key")), first_line(ValueError())
    ('no such key', 'ValueError')
    """
    return str(error).strip().partition("\n")[0] or type(error).__name__


def minutes(seconds: float) -> str:
    """A time as minutes and seconds.

    >>> minutes(83.9)
    '1:23'
    """
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def counted(number: int, noun: str) -> str:
    """So many of something whose plural ends in s.

    >>> counted(1, "thread"), counted(2, "thread")
    ('1 thread', '2 threads')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def not_built(part: str, error: ImportError) -> str:
    """That a compiled part is missing or does not load, why, and what to do."""
    return (
        f"{part} is missing ({' '.join(str(error).split())}): install a C++20 compiler (g++ or "
        f"clang++) and install fineprune again with `pip install --force-reinstall --no-deps "
        f"--no-binary fineprune fineprune`"
    )
