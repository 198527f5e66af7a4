"""How numbers are written for people: on the page, on the terminal, in sentences."""


def percent(share: float) -> str:
    """A share of one.

    >>> percent(0.05), percent(0.004)
    ('5.0%', '0.40%')
    """
    return f"{share:.2%}" if 0 < share < 0.01 else f"{share:.1%}"


def megabytes(size: float) -> str:
    """Bytes, in millions.

    >>> megabytes(11_570_000), megabytes(420_000)
    ('11.6 MB', '0.42 MB')
    """
    return f"{size / 1e6:.2f} MB" if size < 1e6 else f"{size / 1e6:.1f} MB"


def whole(count: float) -> str:
    """A count.

    >>> whole(10_616_832)
    '10,616,832'
    """
    return f"{count:,.0f}"


def millions(count: int) -> str:
    """A large count.

    >>> millions(10_616_832), millions(5_000)
    ('10.6 million', '5,000')
    """
    return f"{count / 1e6:.1f} million" if count >= 1e6 else f"{count:,}"


def milliseconds(value: float) -> str:
    """Milliseconds, to three digits.

    >>> milliseconds(0.01234), milliseconds(1.234), milliseconds(123.4)
    ('0.012 ms', '1.23 ms', '123 ms')
    """
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:.{digits}f} ms"


def times(ratio: float) -> str:
    """How many times as large one thing is as another.

    >>> times(7.93), times(31.2)
    ('7.9', '31')
    """
    return f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.1f}"


def metric(name: str, value: float) -> str:
    """A task's metric: shares of one in percent, other numbers as they are.

    >>> metric("accuracy", 0.947), metric("f1", 81.23)
    ('94.7%', '81.2')
    """
    if is_share(name):
        return percent(value)
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"


def is_share(name: str) -> bool:
    """Whether a metric is known to be a share of one; F1 is one of classes, but not of words."""
    return name.endswith(("accuracy", "macro_f1"))
