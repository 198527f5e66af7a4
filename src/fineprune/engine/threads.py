"""How many threads run a model."""

import os

from fineprune.engine.errors import InputError

_MOST = 1024


def count_threads(wanted: int | None) -> int:
    """The number wanted, or one for each CPU that this process may use.

    Raises:
        InputError: it is no number of threads.
    """
    if wanted is None:
        usable = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))
        return len(usable(0))
    if not isinstance(wanted, int) or not 1 <= wanted <= _MOST:
        raise InputError(f"threads is {wanted!r}; expected a whole number, 1 to {_MOST}")
    return wanted
