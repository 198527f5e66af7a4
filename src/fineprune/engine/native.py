"""The compiled part of the engine, and which of its instruction sets to use."""

import os
from importlib import import_module
from typing import Literal

from fineprune.engine.errors import InputError, NativeMissingError
from fineprune.wording import listed, not_built

Precision = Literal["float32", "bf16"]

PRECISIONS: tuple[Precision, ...] = ("float32", "bf16")
INSTRUCTION_SET_VARIABLE = "FINEPRUNE_INSTRUCTION_SET"


def require_native() -> None:
    """Makes sure that the native part is there.

    Raises:
        NativeMissingError: it was not built at installation, or does not load.
    """
    try:
        import_module("fineprune.engine._native")
    except ImportError as error:
        raise NativeMissingError(not_built("the engine's native part", error)) from error


def choose_instruction_set() -> str:
    """The best instruction set of this CPU, or the one that the environment names.

    Raises:
        InputError: the environment names one that this CPU does not have.
    """
    from fineprune.engine import _native

    available = _native.instruction_sets()
    wanted = os.environ.get(INSTRUCTION_SET_VARIABLE) or available[0]
    if wanted not in available:
        raise InputError(
            f"{INSTRUCTION_SET_VARIABLE} is {wanted!r}; this CPU can run {listed(available)}"
        )
    return wanted


def check_precision(precision: str) -> None:
    """Raises `InputError` unless this CPU can compute with the precision."""
    from fineprune.engine import _native

    if precision not in PRECISIONS:
        raise InputError(f"precision is {precision!r}; expected one of {listed(PRECISIONS)}")
    if precision == "bf16" and not _native.has_bf16():
        raise InputError("this CPU has no bf16 instructions; use precision='float32'")
