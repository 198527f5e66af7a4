"""How many threads run a model."""

from fineprune.engine.errors import InputError
from fineprune.engine.processors import Processors, read_processors

_MOST = 1024


def count_threads(wanted: int | None, processors: Processors | None = None) -> int:
    """The number wanted, as far as so many can run at the same time.

    Threads of an engine wait for each other many times a run: one that has no CPU of its own holds
    up all others.

    Args:
        wanted: None for what is usual: `OMP_NUM_THREADS`, else one for each core.
        processors: what they run on; asked of the system if None.

    Raises:
        InputError: it is no number of threads.
    """
    if wanted is not None and (
        not isinstance(wanted, int) or isinstance(wanted, bool) or not 1 <= wanted <= _MOST
    ):
        raise InputError(f"threads is {wanted!r}; expected a whole number, 1 to {_MOST}")
    processors = processors or read_processors()
    return processors.usual_threads if wanted is None else min(wanted, processors.most_threads)
