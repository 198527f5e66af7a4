"""What stands on top of an encoder."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fineprune.engine.config import Config
from fineprune.engine.inputs import Mask, Tokens
from fineprune.engine.weights import MatrixMaker, Weights

Floats = NDArray[np.float32]


class Head(ABC):
    """Turns an encoder's hidden states into what the model is for.

    Attributes:
        first_only: whether it needs the first token of each sequence only.
        per_token: whether it has values for each token, and not for each sequence.
    """

    first_only: ClassVar[bool]
    per_token: ClassVar[bool]

    @abstractmethod
    def __call__(self, hidden: Floats, lengths: Tokens) -> Floats:
        """The head's values.

        Args:
            hidden: of shape `(sequences, hidden)` for heads that need the first tokens only, else
                `(tokens of all sequences, hidden)`.
            lengths: tokens of each sequence, of shape `(sequences,)`.

        Returns:
            An array whose first dimension is tokens or sequences, as `per_token` says.
        """

    @abstractmethod
    def outputs(self, hidden: Floats, lengths: Tokens, mask: Mask) -> dict[str, Floats]:
        """The head's values by their names in `transformers`, tokens put where the mask has them.

        Args:
            hidden: as above.
            lengths: as above.
            mask: where the tokens stood, of shape `(batch, tokens)`.
        """


@dataclass(frozen=True, eq=False)
class HeadSource:
    """What heads are made of.

    Attributes:
        weights: all tensors of the model.
        config: of the model.
        hidden: size of the encoder's hidden states.
        matrix: makes a matrix ready to multiply with.
        attachments: small files of the model's folder, by path.
    """

    weights: Weights
    config: Config
    hidden: int
    matrix: MatrixMaker
    attachments: Mapping[str, bytes]


HeadBuilder = Callable[[HeadSource], Head]
"""Makes the head of a model of what its file holds."""
