"""Where an answer starts and where it ends: two values for each token."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from fineprune.engine.errors import WeightsError
from fineprune.engine.heads.head import Floats, Head, HeadBuilder, HeadSource
from fineprune.engine.heads.steps import Layers, Step, apply, make_layers
from fineprune.engine.inputs import Mask, Tokens, scatter


@final
@dataclass(frozen=True, eq=False)
class QuestionAnswering(Head):
    """Start and end logits of shape `(batch, tokens)`; padding has minus infinity, and never wins.

    Attributes:
        layers: from a token's hidden state to its two logits.
    """

    layers: Layers
    first_only: ClassVar[bool] = False
    per_token: ClassVar[bool] = True

    def __call__(self, hidden: Floats, lengths: Tokens) -> Floats:
        """Start and end logits of shape `(tokens of all sequences, 2)`."""
        return apply(self.layers, hidden)

    def outputs(self, hidden: Floats, lengths: Tokens, mask: Mask) -> dict[str, Floats]:
        """`start_logits` and `end_logits` of shape `(batch, tokens)`."""
        start, end = self(hidden, lengths).T
        return {
            "start_logits": scatter(start, mask, padding=-np.inf),
            "end_logits": scatter(end, mask, padding=-np.inf),
        }


def question_answering(*steps: Step) -> HeadBuilder:
    """What makes a head of these steps; without any, of the one that most architectures have.

    It raises `WeightsError` for a model that has not two outputs.
    """
    all_steps = steps or (Step("qa_outputs"),)

    def build(source: HeadSource) -> Head:
        name = f"{all_steps[-1].name}.weight"
        rows, _ = source.weights.shape(name)
        if rows != 2:
            raise WeightsError(f"'{name}' has {rows} rows; expected 2, for start and end")
        return QuestionAnswering(make_layers(all_steps, source))

    return build
