"""How tokens are numbered: which row of the position table each of them gets."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fineprune.engine.config import Config


def from_zero(ids: NDArray[Any], config: Config) -> NDArray[Any]:
    """A token's place in its row, padding and tokens that the mask leaves out counted in."""
    return np.broadcast_to(np.arange(ids.shape[1]), ids.shape)


def after_padding(ids: NDArray[Any], config: Config) -> NDArray[Any]:
    """RoBERTa's numbers: tokens that are no padding count up from the padding token's id."""
    padding = config.get("pad_token_id", 1)
    counted = ids != padding
    numbers: NDArray[Any] = np.cumsum(counted, axis=1) * counted + padding
    return numbers
