"""Shapes of inputs."""

import re
from dataclasses import dataclass

from fineprune.errors import FinepruneError
from fineprune.wording import quoted


class ShapeError(FinepruneError, ValueError):
    """A text that is no shape."""


@dataclass(frozen=True)
class Shape:
    """A batch of sequences of one length.

    Attributes:
        batch: sequences.
        tokens: tokens of each.
    """

    batch: int
    tokens: int

    @classmethod
    def parse(cls, text: str) -> "Shape":
        """Reads what `str` writes.

        >>> Shape.parse("8x128")
        Shape(batch=8, tokens=128)

        Raises:
            ShapeError: the text is no shape.
        """
        found = re.fullmatch(r"([1-9]\d{0,5})x([1-9]\d{0,5})", text.strip())
        if found is None:
            raise ShapeError(f"the shape is {quoted(text)}; expected batch x tokens, such as 8x128")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.batch}x{self.tokens}"
