"""Native coder of packed files' streams. Built from native/."""

from typing import final

import numpy as np
from numpy.typing import NDArray

@final
class AnsDecoder:
    """Takes the segments of one stream out again, in their order.

    Args:
        words: the stream.

    Raises:
        ValueError: its last word is zero.
    """

    def __init__(self, words: NDArray[np.uint32]) -> None: ...
    def decode(self, frequencies: NDArray[np.uint16], symbols: NDArray[np.uint8]) -> None:
        """Fills in the next symbols, as indices into `frequencies`. Releases the GIL.

        Args:
            frequencies: of the symbols, of shape `(symbols,)`.
            symbols: flat and contiguous, to be written.

        Raises:
            ValueError: the frequencies are not positive, or do not add up to `2**14`.
        """

    def is_empty(self) -> bool:
        """Whether exactly what was encoded has been decoded."""

@final
class AnsEncoder:
    """Makes one stream of segments, from the last to the first."""

    def __init__(self) -> None: ...
    def encode(self, frequencies: NDArray[np.uint16], symbols: NDArray[np.uint8]) -> None:
        """Puts a segment before all that are there already.

        Args:
            frequencies: of the symbols, of shape `(symbols,)`.
            symbols: indices into `frequencies`, flat.

        Raises:
            ValueError: the frequencies are not positive, or do not add up to `2**14`, or a symbol
                has none. Nothing was put there.
        """

    def words(self) -> NDArray[np.uint32]:
        """The stream so far, of shape `(words,)`."""
