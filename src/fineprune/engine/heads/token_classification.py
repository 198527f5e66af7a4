"""One value a class for each token."""

from dataclasses import dataclass
from typing import ClassVar, final

from fineprune.engine.heads.head import Floats, Head, HeadBuilder, HeadSource
from fineprune.engine.heads.steps import Layers, Step, apply, make_layers
from fineprune.engine.inputs import Mask, Tokens, scatter


@final
@dataclass(frozen=True, eq=False)
class TokenClassification(Head):
    """Logits of shape `(batch, tokens, classes)`, zero at padding.

    Attributes:
        layers: from a token's hidden state to its logits.
    """

    layers: Layers
    first_only: ClassVar[bool] = False
    per_token: ClassVar[bool] = True

    def __call__(self, hidden: Floats, lengths: Tokens) -> Floats:
        """Logits of shape `(tokens of all sequences, classes)`."""
        return apply(self.layers, hidden)

    def outputs(self, hidden: Floats, lengths: Tokens, mask: Mask) -> dict[str, Floats]:
        """`logits` of shape `(batch, tokens, classes)`."""
        return {"logits": scatter(self(hidden, lengths), mask, padding=0.0)}


def token_classification(*steps: Step) -> HeadBuilder:
    """What makes a head of these steps; without any, of the one that most architectures have."""

    def build(source: HeadSource) -> Head:
        return TokenClassification(make_layers(steps or [Step("classifier")], source))

    return build
