"""The one place that knows methods by name."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from fineprune.errors import RecipeError
from fineprune.pruning.methods.base import Method
from fineprune.pruning.methods.l0 import L0
from fineprune.pruning.methods.locked import Locked
from fineprune.pruning.methods.ranked import Fisher, Magnitude, Movement
from fineprune.pruning.methods.soft_movement import SoftMovement
from fineprune.pruning.methods.threshold import Threshold

METHODS: Mapping[str, type[Method[Any]]] = {
    method.name: method
    for method in (Fisher, Magnitude, Movement, SoftMovement, Threshold, L0, Locked)
}
"""Methods by the names that recipes and checkpoints use."""

ALIASES: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "topK": ("movement", {}),
    "global_topK": ("movement", {"scope": "global"}),
    "global_movement": ("movement", {"scope": "global"}),
    "global_magnitude": ("magnitude", {"scope": "global"}),
    "sigmoied_threshold": ("soft_movement", {}),
    "sigmoid_threshold": ("soft_movement", {}),
}
"""Other names, among them those of the original code, and the settings that they imply."""


def method_from_settings(settings: Mapping[str, Any]) -> Method[Any]:
    """A method from its name and fields, as they stand in a recipe or a checkpoint.

    Args:
        settings: `name` (or an alias) and any of the method's fields.

    Raises:
        RecipeError: an unknown name, an unknown, missing or impossible field.
    """
    fields = dict(settings)
    method, implied = _find(fields.pop("name", None))
    name = method.name
    known = {field.name: field for field in dataclasses.fields(method)}  # type: ignore[arg-type]
    for key, value in fields.items():
        if key not in known:
            raise RecipeError(f"{key}: {name} has no such setting; it takes {', '.join(known)}")
        fields[key] = _converted(key, value, known[key].type)
    for key, field in known.items():
        if field.default is dataclasses.MISSING and key not in fields:
            raise RecipeError(f"{key}: {name} needs a value for it, and none is given")
    try:
        return method(**{**implied, **fields})
    except ValueError as error:
        raise RecipeError(str(error)) from error


def method_at_threshold(name: str, threshold: float | None) -> Method[Any]:
    """The method behind a checkpoint of the original code, which knew one number: a threshold.

    Raises:
        RecipeError: an unknown name, or a threshold that is missing or out of range.
    """
    method, implied = _find(name)
    if threshold is None and method is not L0:
        raise RecipeError(f"{method.name} needs the threshold it was trained to; give --threshold")
    try:
        return dataclasses.replace(method.at_threshold(threshold or 0.0), **implied)  # type: ignore[type-var]
    except ValueError as error:
        raise RecipeError(str(error)) from error


def settings_of(method: Method[Any]) -> dict[str, Any]:
    """The inverse of `method_from_settings`: plain values, fit for YAML and JSON."""
    return {"name": method.name, **dataclasses.asdict(method)}  # type: ignore[call-overload]


def _find(given: object) -> tuple[type[Method[Any]], Mapping[str, Any]]:
    name, implied = ALIASES.get(str(given), (str(given), {}))
    if name not in METHODS:
        allowed = ", ".join([*METHODS, *ALIASES])
        raise RecipeError(f"name: no method is called {given!r}; choose one of {allowed}")
    return METHODS[name], implied


def _converted(key: str, value: object, expected: object) -> object:
    if expected is float or (expected == float | None and value is not None):
        return _number(key, value)
    return value


def _number(key: str, value: object) -> float:
    # YAML reads 1e-2 as text: what looks like a number to a person is taken as one.
    try:
        if isinstance(value, int | float | str) and not isinstance(value, bool):
            number = float(value)
            if math.isfinite(number):
                return number
    except (ValueError, OverflowError):
        pass
    raise RecipeError(f"{key}: expected a finite number, found {value!r}")
