"""How finely each tensor of a model is stored, and its weights rounded to that.

Quantization is uniform, with one step a matrix. With entropy coding, one uniform step everywhere
gives the least squared error for a number of bytes (Gish and Pierce 1968): finer steps for small
rows buy little where little can be lost, and rare large codes cost their rarity, not a wider code
for all. So codes are not clipped at the range that the bits suggest. Only the range of int8 can be
too small: a row with an outlier past it takes a coarser scale, by as few eighths of an octave as
it needs.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fineprune.packing.errors import PrecisionError
from fineprune.packing.tensors import LARGEST_CODE, DenseTensor, Scales, Shape, matrix_shape

OPTIMAL_STEPS = {2: 0.9957, 3: 0.5860, 4: 0.3352, 5: 0.1881, 6: 0.1041, 7: 0.0569, 8: 0.0308}
"""By bits: step over standard deviation of the uniform quantizer with `2**bits` levels that has
the least squared error for a normal variable (Max 1960, table II, continued to 8 bits)."""

FLOATS = (16, 32)
BITS = (*OPTIMAL_STEPS, *FLOATS)
_LEAST_OUTSIDE = 8
_LARGEST_WEIGHT = 1e38  # with a scale of which 127 times is a float32
_SMALLEST_STEP = np.float32(2.0**-126)  # the smallest normal number: scales are never zero


class Role(Enum):
    """What a tensor is for, as its name and shape tell.

    A model's layers stand in lists, so the names of their tensors have a part that is a number;
    this is the one structure that a folder on disk shows of every Hugging Face encoder.
    """

    VECTOR = auto()  # biases, LayerNorm: no two dimensions of more than one
    LAYER = auto()  # matrices of a layer
    EMBEDDING = auto()  # matrices outside of layers, with a part of the name that has `embed` in it
    OTHER = auto()  # pooler, head

    @classmethod
    def of(cls, name: str, shape: Shape) -> "Role":
        """The role of a tensor of a model's `state_dict`."""
        parts = name.split(".")
        if sum(size > 1 for size in shape) < 2:
            return cls.VECTOR
        if any(part.isdecimal() for part in parts):
            return cls.LAYER
        if any("embed" in part for part in parts):
            return cls.EMBEDDING
        return cls.OTHER


@dataclass(frozen=True)
class Precision:
    """Bits of a model's weights: 2 to 8 quantized, 16 and 32 as floats.

    Attributes:
        bits: of the matrices in layers.
        embedding_bits: of the embeddings.

    Raises:
        PrecisionError: there is no such precision.
    """

    bits: int = 8
    embedding_bits: int = 8

    def __post_init__(self) -> None:
        for name in ("bits", "embedding_bits"):
            if getattr(self, name) not in BITS:
                raise PrecisionError(
                    f"{name} is {getattr(self, name)}; it must be 2 to 8, 16 or 32"
                )

    def bits_of(self, role: Role) -> int:
        """The bits for tensors of a role.

        Vectors, poolers and heads are small and everything passes through them: fewer than 16 and
        8 bits would save next to nothing.
        """
        return {
            Role.VECTOR: max(self.bits, min(FLOATS)),
            Role.LAYER: self.bits,
            Role.EMBEDDING: self.embedding_bits,
            Role.OTHER: max(self.bits, _LEAST_OUTSIDE),
        }[role]


def to_tensor(
    array: NDArray[Any], bits: int, least_exponents: NDArray[np.uint8] | None = None
) -> DenseTensor:
    """The tensor that stands for an array in a packed file. Zeros stay zero, and lose their sign.

    Args:
        array: finite numbers, float32 or of an integer type.
        bits: of floats: 2 to 8 to quantize, 16 or 32 to keep floats. A tensor with numbers too
            large for it takes 32; integers stay as they are.
        least_exponents: as for `quantize`.
    """
    matrix = array.reshape(matrix_shape(array.shape))
    if array.dtype != np.float32:
        return DenseTensor(array.shape, matrix)
    largest = max(float(matrix.max()), -float(matrix.min()))
    if bits in OPTIMAL_STEPS and largest <= _LARGEST_WEIGHT:
        return DenseTensor(array.shape, *quantize(matrix, bits, least_exponents))
    if bits == 16 and largest <= float(np.finfo(np.float16).max):
        matrix = matrix.astype(np.float16)
    return DenseTensor(array.shape, matrix + matrix.dtype.type(0))


def quantize(
    matrix: NDArray[np.float32], bits: int, least_exponents: NDArray[np.uint8] | None = None
) -> tuple[NDArray[np.int8], Scales]:
    """Rounds a matrix to multiples of its rows' scales; zeros stay zero.

    Args:
        matrix: finite weights of shape `(rows, columns)`.
        bits: 2 to 8.
        least_exponents: how far the scale of each row exceeds the step at least, of shape
            `(rows,)`; None for as little as its largest weight allows.

    Returns:
        Codes in [-127, 127] of the matrix's shape. `code * scale` is within half a scale of the
        weight.
    """
    step = optimal_step(matrix, bits)
    exponents = _fitting_exponents(matrix, step)
    if least_exponents is not None:
        exponents = np.maximum(exponents, least_exponents)
    scales = Scales(step, exponents)
    codes = np.rint(matrix / scales.per_row()[:, None])
    return codes.astype(np.int8), scales


def optimal_step(matrix: NDArray[np.float32], bits: int) -> np.float32:
    """The step for those weights of a matrix that are not zero."""
    energy = float(np.sum(np.square(matrix, dtype=np.float64)))
    return step_of(energy, int(np.count_nonzero(matrix)), bits)


def step_of(energy: float, kept: int, bits: int) -> np.float32:
    """The step for weights of which this is known.

    The last 12 bits of its significand are zero, because those of a sum of floats differ from CPU
    to CPU, and equal weights shall give equal files.

    Args:
        energy: the sum of their squares.
        kept: how many are not zero.
        bits: 2 to 8.
    """
    if kept == 0:
        return np.float32(1)
    exact = np.float32(OPTIMAL_STEPS[bits] * np.sqrt(energy / kept))
    truncated = (exact.view(np.uint32) & np.uint32(0xFFFFF000)).view(np.float32)
    return np.float32(max(truncated, _SMALLEST_STEP))


def _fitting_exponents(matrix: NDArray[np.float32], step: np.float32) -> NDArray[np.uint8]:
    """The smallest exponent of each row with which its largest weight fits in int8."""
    largest = np.maximum(matrix.max(axis=1), -matrix.min(axis=1))
    scales = Scales(step, np.arange(256, dtype=np.uint8)).per_row()
    with np.errstate(over="ignore"):  # of exponents that no row of finite weights needs
        reach = scales * np.float32(LARGEST_CODE)
    exponents: NDArray[np.intp] = np.searchsorted(reach, largest)
    return exponents.astype(np.uint8)
