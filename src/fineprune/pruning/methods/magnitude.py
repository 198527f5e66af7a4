"""Magnitude pruning."""

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor
from typing_extensions import override

from fineprune.pruning.methods.ranked import RankedMethod


@final
@dataclass(frozen=True)
class Magnitude(RankedMethod):
    """Keeps the weights of largest absolute value (Zhu and Gupta 2017); learns no scores."""

    name: ClassVar[str] = "magnitude"

    @override
    def initial_scores(self, weight: Tensor) -> None:
        return None

    @override
    def importance(self, weight: Tensor, scores: Tensor | None) -> Tensor:
        return weight.detach().abs()
