"""One value a class for each sequence, from its first token."""

from dataclasses import dataclass
from typing import ClassVar, final

from fineprune.engine.heads.head import Floats, Head, HeadBuilder, HeadSource
from fineprune.engine.heads.steps import Layers, Step, apply, make_layers
from fineprune.engine.inputs import Mask, Tokens


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


def sequence_classification(*steps: Step) -> HeadBuilder:
    """What makes a head of these steps."""

    def build(source: HeadSource) -> Head:
        return SequenceClassification(make_layers(steps, source))

    return build
