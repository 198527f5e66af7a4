"""Native decoder of packed files' streams. Built from native/."""

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
    def decode(self, frequencies: NDArray[np.uint16], count: int) -> NDArray[np.uint8]:
        """The next `count` symbols, as indices into `frequencies`. Releases the GIL.

        Raises:
            ValueError: the frequencies are not positive, or do not add up to `2**14`.
        """

    def is_empty(self) -> bool:
        """Whether exactly what was encoded has been decoded."""
