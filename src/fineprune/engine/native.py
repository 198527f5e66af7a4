"""The compiled part of the engine, and which of its instruction sets to use."""

import os
from importlib import import_module
from typing import Literal

from fineprune.engine.errors import InputError, NativeMissingError
from fineprune.wording import listed, not_built

ArithmeticName = Literal["float32", "bf16", "int8"]
Precision = Literal["float32", "bf16", "int8", "fast"]

ARITHMETICS: tuple[ArithmeticName, ...] = ("float32", "bf16", "int8")
"""From the most exact to the least."""

PRECISIONS: tuple[Precision, ...] = (*ARITHMETICS, "fast")
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


def check_precision(precision: str, instruction_set: str) -> None:
    """Raises `InputError` unless the instruction set can compute with the precision."""
    if precision not in PRECISIONS:
        raise InputError(f"precision is {precision!r}; expected one of {listed(PRECISIONS)}")
    if precision == "bf16" and "bf16" not in arithmetics(instruction_set):
        raise InputError("this CPU has no bf16 instructions; use precision='float32'")


def arithmetics(instruction_set: str) -> list[ArithmeticName]:
    """Those that an instruction set has, from the most exact to the least."""
    from fineprune.engine import _native

    has_bf16 = _native.has_bf16() and instruction_set == _native.instruction_sets()[0]
    return [one for one in ARITHMETICS if one != "bf16" or has_bf16]


def beside_int8(instruction_set: str) -> ArithmeticName:
    """What a model of int8 matrices computes in where it does not multiply codes."""
    from fineprune.engine import _native

    return "bf16" if _native.int8_state(instruction_set) == "bf16" else "float32"
