"""How tokens are numbered: which row of the position table each of them gets."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fineprune.engine.config import Config
from fineprune.engine.errors import UnsupportedModelError, WeightsError

_PADDING_KEY = "pad_token_id"


def from_zero(config: Config, rows: int) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """A token's place in its row, padding and tokens that the mask leaves out counted in."""
    return lambda ids: np.broadcast_to(np.arange(ids.shape[1]), ids.shape)


def after_padding(config: Config, rows: int) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """RoBERTa's numbers: tokens that are no padding count up from the padding token's id.

    Raises:
        UnsupportedModelError: that is none that the table has a row after.
    """
    padding = config.setting(_PADDING_KEY, 1)
    if not 0 <= padding < rows - 1:
        raise UnsupportedModelError(
            f"{_PADDING_KEY} in the model's config is {padding}; expected 0 to {rows - 2}, because "
            f"tokens are numbered from there and the model has {rows} positions"
        )
    return _counting_from(padding)


def after(padding: int) -> Callable[[Config, int], Callable[[NDArray[Any]], NDArray[Any]]]:
    """The same in an architecture whose padding token is always this one."""

    def make(config: Config, rows: int) -> Callable[[NDArray[Any]], NDArray[Any]]:
        if rows < padding + 2:
            raise WeightsError(
                f"the model has {rows} positions; expected at least {padding + 2}, because tokens "
                f"are numbered from {padding + 1}"
            )
        return _counting_from(padding)

    return make


def _counting_from(padding: int) -> Callable[[NDArray[Any]], NDArray[Any]]:
    def number(ids: NDArray[Any]) -> NDArray[Any]:
        counted = ids != padding
        numbers: NDArray[Any] = np.cumsum(counted, axis=1) * counted + padding
        return numbers

    return number
