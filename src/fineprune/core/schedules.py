"""Schedules are functions from a step to a value."""

from collections.abc import Callable

Schedule = Callable[[int], float]


def constant(value: float) -> Schedule:
    """The same value at every step."""
    return lambda step: value


def cubic(initial: float, final: float, *, begin: int, end: int) -> Schedule:
    """Automated gradual pruning (Zhu and Gupta 2017): fast at first, slower as it comes close.

    Holds `initial` up to and including step `begin` and `final` after step `end`; between them
    the value is `final + (initial - final) * (1 - (step - begin) / (end - begin)) ** 3`.

    Raises:
        ValueError: `end` is not after `begin`.
    """
    if end <= begin:
        raise ValueError(f"a cubic schedule must end after it begins, found {begin} to {end}")

    def value(step: int) -> float:
        if step <= begin:
            return initial
        if step > end:
            return final
        remaining = 1 - (step - begin) / (end - begin)
        return final + (initial - final) * remaining**3

    return value


def proportional(schedule: Schedule, *, reference: float, peak: float) -> Schedule:
    """`schedule` rescaled so that it stands at `peak` where it stood at `reference`.

    Sanh et al. 2020 let lambda grow as lambda_f * tau / tau_f; written in this order it gives
    their values to the last bit.

    Raises:
        ValueError: `reference` is zero.
    """
    if reference == 0:
        raise ValueError("a schedule cannot be rescaled from a reference of zero")
    return lambda step: peak * schedule(step) / reference
