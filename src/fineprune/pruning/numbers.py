"""Numbers as recipes hold them: finite, and never a truth value."""

from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, Field


def _number(value: object) -> object:
    # Else `true` would be read as 1. Text is let through, because YAML reads 1e-2 as text.
    if isinstance(value, bool):
        raise ValueError("expected a number")
    return value


_Int: TypeAlias = Annotated[int, BeforeValidator(_number)]
_Float: TypeAlias = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]

Count: TypeAlias = Annotated[_Int, Field(ge=1)]
Seed: TypeAlias = Annotated[_Int, Field(ge=0, lt=2**32)]
Positive: TypeAlias = Annotated[_Float, Field(gt=0)]
Fraction: TypeAlias = Annotated[_Float, Field(ge=0, le=1)]
NotNegative: TypeAlias = Annotated[_Float, Field(ge=0)]
