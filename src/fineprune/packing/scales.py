"""The scale of each row of a quantized matrix."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EIGHTHS: NDArray[np.float32] = np.exp2(np.arange(8, dtype=np.float64) / 8).astype(np.float32)
"""`2**(k / 8)`."""

LARGEST_CODE = 127

LARGEST_SCALE = np.finfo(np.float32).max / np.float32(LARGEST_CODE)
"""With which all codes still stand for finite weights."""


@dataclass(frozen=True, eq=False)
class Scales:
    """One step for a matrix, and how far each row's scale exceeds it.

    Attributes:
        step: float32, positive.
        exponents: uint8 of shape `(rows,)`, in eighths of an octave.
    """

    step: np.float32
    exponents: NDArray[np.uint8]

    def per_row(self) -> NDArray[np.float32]:
        """`step * 2**(exponent / 8)` of shape `(rows,)`.

        The product with the eighth is rounded to float32; the octaves are exact.
        """
        with np.errstate(over="ignore"):  # to infinity, which readers refuse
            eighths = (self.step * EIGHTHS)[self.exponents & 7]
            scales: NDArray[np.float32] = np.ldexp(eighths, self.exponents >> 3)
            return scales
