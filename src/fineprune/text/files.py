"""The small files beside a model, which may hold anything."""

from collections.abc import Mapping
from typing import Any

from fineprune.errors import UnsupportedModelError
from fineprune.packing import modules
from fineprune.wording import quoted

Files = Mapping[str, bytes]
"""Content by path in the model's folder."""


def read_object(files: Files, name: str) -> dict[str, Any]:
    """Content of a JSON object; empty where there is no such file.

    Raises:
        UnsupportedModelError: it is something else.
    """
    return modules.read_object(files, name) if name in files else {}


def read_value(content: Mapping[str, Any], key: str, kind: type, where: str) -> Any:
    """A value of a type; None where there is none.

    Raises:
        UnsupportedModelError: it is of another type.
    """
    value = content.get(key)
    if value is None or (isinstance(value, kind) and isinstance(value, bool) == (kind is bool)):
        return value
    raise UnsupportedModelError(
        f"{key} in {where} is {quoted(value)}; expected a value of type {kind.__name__}"
    )
