"""Movement pruning, hard: the top of learned scores."""

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor
from typing_extensions import override

from fineprune.pruning.methods.ranked import RankedMethod
from fineprune.pruning.methods.scores import full_scores, required


@final
@dataclass(frozen=True)
class Movement(RankedMethod):
    """Keeps the weights of highest score (Sanh et al. 2020, section 4); `topK` in their code.

    The gradient of a score is dL/dW' * W: weights that training moves away from zero gain.

    Attributes:
        initial_score: where all scores start.
    """

    name: ClassVar[str] = "movement"
    initial_score: float = 0.0

    @override
    def initial_scores(self, weight: Tensor) -> Tensor:
        return full_scores(weight, self.initial_score)

    @override
    def importance(self, weight: Tensor, scores: Tensor | None) -> Tensor:
        return required(scores).detach()
