"""One value a class for each sequence, from its first token, or from the mean of all."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from fineprune.engine.errors import UnsupportedModelError
from fineprune.engine.heads.head import Floats, Head, HeadBuilder, HeadSource
from fineprune.engine.heads.steps import Layers, Step, apply, make_layers
from fineprune.engine.inputs import Mask, Tokens
from fineprune.wording import listed, quoted


@final
@dataclass(frozen=True, eq=False)
class SequenceClassification(Head):
    """Logits of shape `(batch, classes)`; of regression, the values themselves.

    Attributes:
        layers: from the first token's hidden state to the logits.
    """

    layers: Layers
    first_only: ClassVar[bool] = True
    per_token: ClassVar[bool] = False

    def __call__(self, hidden: Floats, lengths: Tokens) -> Floats:
        """Logits of shape `(sequences, classes)`."""
        return apply(self.layers, hidden)

    def outputs(self, hidden: Floats, lengths: Tokens, mask: Mask) -> dict[str, Floats]:
        """`logits` of shape `(batch, classes)`."""
        return {"logits": self(hidden, lengths)}


@final
@dataclass(frozen=True, eq=False)
class MeanClassification(Head):
    """The same from the mean of all tokens' hidden states.

    Attributes:
        layers: from the mean to the logits.
    """

    layers: Layers
    first_only: ClassVar[bool] = False
    per_token: ClassVar[bool] = False

    def __call__(self, hidden: Floats, lengths: Tokens) -> Floats:
        """Logits of shape `(sequences, classes)`."""
        sums = np.add.reduceat(hidden, np.cumsum(lengths) - lengths, axis=0)
        return apply(self.layers, (sums / lengths[:, None]).astype(np.float32))

    def outputs(self, hidden: Floats, lengths: Tokens, mask: Mask) -> dict[str, Floats]:
        """`logits` of shape `(batch, classes)`."""
        return {"logits": self(hidden, lengths)}


_POOLED: Mapping[str, Callable[[Layers], Head]] = {
    "cls": SequenceClassification,
    "mean": MeanClassification,
}


def sequence_classification(*steps: Step, pooling: str | None = None) -> HeadBuilder:
    """What makes a head of these steps.

    Args:
        *steps: of the head.
        pooling: key in the config that says of what, `cls` or `mean`; None for the first token.
    """

    def build(source: HeadSource) -> Head:
        pooled = "cls" if pooling is None else source.config.setting(pooling, "cls")
        if pooled not in _POOLED:
            raise UnsupportedModelError(
                f"{pooling} in the model's config is {quoted(pooled)}; expected {listed(_POOLED)}"
            )
        return _POOLED[pooled](make_layers(steps, source))

    return build
