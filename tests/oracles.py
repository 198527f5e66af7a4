"""Slow and simple computations, independent of the package, of what it must find."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Doubles = NDArray[np.float64]


def sigmoid(x: Array) -> Doubles:
    """1 / (1 + e^-x), in float64."""
    result: Doubles = 1 / (1 + np.exp(-x.astype(np.float64)))
    return result


def first_largest(values: Array, count: int) -> NDArray[np.bool_]:
    """Marks the `count` largest, found by a stable sort: among equals the first ones."""
    kept = np.zeros(values.size, dtype=bool)
    kept[np.argsort(-values.reshape(-1), kind="stable")[:count]] = True
    return kept.reshape(values.shape)


def first_largest_overall(arrays: list[Array], count: int) -> list[NDArray[np.bool_]]:
    """Marks the `count` largest of all arrays; among equals those of the earlier array."""
    kept = first_largest(np.concatenate([array.reshape(-1) for array in arrays]), count)
    parts = np.split(kept, np.cumsum([array.size for array in arrays])[:-1])
    return [part.reshape(array.shape) for part, array in zip(parts, arrays, strict=True)]
