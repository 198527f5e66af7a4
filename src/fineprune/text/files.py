"""The small files beside a model, which may hold anything."""

import json
from collections.abc import Mapping
from typing import Any

from fineprune.errors import UnsupportedModelError
from fineprune.wording import quoted

Files = Mapping[str, bytes]
"""Content by path in the model's folder."""


def read_object(files: Files, name: str) -> dict[str, Any]:
    """Content of a JSON object; empty where there is no such file.

    Raises:
        UnsupportedModelError: it is something else.
    """
    if name not in files:
        return {}
    try:
        content = json.loads(files[name])
    except (ValueError, RecursionError) as error:
        raise UnsupportedModelError(f"{quoted(name)} beside the model is no JSON") from error
    if not isinstance(content, dict):
        raise UnsupportedModelError(f"{quoted(name)} beside the model is no JSON object")
    return content


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
