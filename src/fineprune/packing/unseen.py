"""Embeddings of tokens that a model never saw while it was trained for its task.

A task's texts hold a small part of a vocabulary: those of CLINC150 a sixth of 30,522 tokens. The
other rows still hold what the pretrained model knew, and are read for a word that is new; but
rarely, so what they cost is mostly bytes.
"""

from collections.abc import Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fineprune.packing.errors import PrecisionError
from fineprune.packing.quantize import OPTIMAL_STEPS
from fineprune.packing.tensors import OCTAVE


@dataclass(frozen=True)
class Unseen:
    """How coarsely the embeddings of unseen tokens are stored.

    Attributes:
        bits: of their rows, 2 to 8.
        seen: numbers of the tokens that the training texts hold.

    Raises:
        PrecisionError: there is no such precision.
    """

    bits: int
    seen: Set[int]

    def __post_init__(self) -> None:
        if self.bits not in OPTIMAL_STEPS:
            raise PrecisionError(f"unseen_embedding_bits is {self.bits}; it must be 2 to 8")

    def least_exponents(self, rows: int, embedding_bits: int) -> NDArray[np.uint8]:
        """How far the scale of each row has to exceed the step of the whole matrix.

        Args:
            rows: of the matrix, one a token.
            embedding_bits: of the tokens that were seen.

        Returns:
            Eighths of an octave, of shape `(rows,)`: 0 for tokens that were seen.

        Raises:
            PrecisionError: the others are not stored more finely.
        """
        if embedding_bits not in OPTIMAL_STEPS or embedding_bits <= self.bits:
            raise PrecisionError(
                f"unseen_embedding_bits is {self.bits}; it must be less than embedding_bits, and "
                f"that at most 8: {embedding_bits} is given"
            )
        ratio = OPTIMAL_STEPS[self.bits] / OPTIMAL_STEPS[embedding_bits]
        exponents = np.full(rows, round(OCTAVE * np.log2(ratio)), np.uint8)
        exponents[[token for token in self.seen if token < rows]] = 0
        return exponents
