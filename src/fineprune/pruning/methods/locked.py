"""Fine-tuning a model that was pruned before, with its zeros locked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self, final

from torch import Tensor
from typing_extensions import override

from fineprune.core.masked_weight import kept_part
from fineprune.pruning.levels import ScoreCut
from fineprune.pruning.methods.base import Matrix, Method
from fineprune.pruning.methods.rules import Cutting

_ZEROS = Cutting(cut=0.0, initial_cut=0.0, floor=0.0)


@final
@dataclass(frozen=True)
class Locked(Method[ScoreCut]):
    """Keeps the zeros of a pruned model where they are: pruned once, fine-tuned for other tasks.

    The mask is what is not zero when training begins (Zafrir et al. 2021, "Prune once for all").
    A step costs what a dense one costs.
    """

    name: ClassVar[str] = "locked"
    learning_rate_ratio: ClassVar[float] = 4.0
    prunes_in_place: ClassVar[bool] = True

    @override
    @classmethod
    def at_threshold(cls, threshold: float) -> Self:
        raise ValueError("the original code had no method locked")

    @override
    @property
    def updates(self) -> int:
        return 1

    @override
    @property
    def rule(self) -> Cutting:
        return _ZEROS

    @override
    def importance(self, matrix: Matrix) -> Tensor:
        # Not of what is pruned already: the optimizer's step has just moved it.
        return kept_part(matrix.weight.detach().float().abs(), matrix.mask)

    @override
    def require_fit(self, weights: Sequence[Tensor]) -> None:
        if all(bool((weight != 0).all()) for weight in weights):
            raise ValueError(
                "locked keeps the zeros of a model that was pruned before, and this one has none; "
                "start from a finalized model, or choose a method that prunes"
            )
