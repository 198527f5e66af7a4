"""How finely each tensor of a model is stored."""

from dataclasses import dataclass
from enum import Enum, auto

from fineprune.packing.errors import PrecisionError
from fineprune.packing.quantize import OPTIMAL_STEPS
from fineprune.packing.tensors import Shape

FLOATS = (16, 32)
BITS = (*OPTIMAL_STEPS, *FLOATS)
_LEAST_OUTSIDE = 8


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
