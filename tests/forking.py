"""Work in processes that fork from a test."""

import os
import signal
from collections.abc import Callable

import pytest

SECONDS = 60
"""After which a child is taken to hang."""

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


def in_child(work: Callable[[], bool]) -> bool:
    """Whether a child that forks from here finds it true, in time."""
    child = os.fork()
    if child == 0:
        signal.alarm(SECONDS)
        right = False
        try:
            right = work()
        finally:
            os._exit(0 if right else 1)
    return os.waitpid(child, 0)[1] == 0
