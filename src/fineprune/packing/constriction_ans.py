"""Asymmetric numeral systems by `constriction`: encodes, and decodes where nothing is compiled."""

from typing import Any, final

import constriction
import numpy as np
from numpy.typing import NDArray

from fineprune.packing.tables import TABLE_BITS

_CODER_BITS = 24  # precision of the coder's own frequencies


def categorical(frequencies: NDArray[np.integer[Any]]) -> Any:
    """The coder's model with exactly these frequencies (times `2**10`).

    The coder takes floats: it gives each symbol a frequency of one, and spreads the rest by
    `probability * (2**24 - symbols) / sum`. Integers that add up to `2**24 - symbols` make that
    factor one and every rounding exact.
    """
    scaled = frequencies.astype(np.int64) << (_CODER_BITS - TABLE_BITS)
    return constriction.stream.model.Categorical((scaled - 1).astype(np.float64), perfect=False)


@final
class AnsDecoder:
    """The native decoder's interface, at a quarter of its speed, and never on two threads at once.

    Args:
        words: the stream.

    Raises:
        ValueError: its last word is zero.
    """

    def __init__(self, words: NDArray[np.uint32]) -> None:
        self._coder = constriction.stream.stack.AnsCoder(words)

    def decode(self, frequencies: NDArray[np.uint16], count: int) -> NDArray[np.uint8]:
        """The next `count` symbols, as indices into `frequencies`: two of those at least."""
        symbols: NDArray[np.int32] = self._coder.decode(categorical(frequencies), count)
        return symbols.astype(np.uint8)

    def is_empty(self) -> bool:
        """Whether exactly what was encoded has been decoded."""
        return bool(self._coder.is_empty())
