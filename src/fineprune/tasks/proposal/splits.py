"""What is trained on and what is kept apart, where one file holds all."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_STEPS: Final = (10, 11, 9, 13, 7)
_FEW: Final = 100  # rows, of which more have to be kept to say anything
_STEPS_OF_FEW: Final = (5, 6, 4, 7, 3)


@dataclass(frozen=True)
class Split:
    """Every so many rows are kept for validation.

    Attributes:
        step: every how many.
        reason: why so; one line.
    """

    step: int
    reason: str

    @property
    def train(self) -> str:
        """The rows to train on, as a recipe names them."""
        return f"not ::{self.step}"

    @property
    def validation(self) -> str:
        """The rows that are kept."""
        return f"::{self.step}"

    def is_kept(self, row: int) -> bool:
        """Whether a row, counted from 0, is kept."""
        return row % self.step == 0


def split_rows(count: int, classes: Sequence[object] = ()) -> Split:
    """Keeps some rows from all over the data, for these may be sorted.

    Args:
        count: of rows.
        classes: of each row, where they are to be spread alike: rows may come in turns of classes.
    """
    steps = _STEPS if count >= _FEW else _STEPS_OF_FEW
    step = min(steps, key=lambda step: round(_unlike(classes, step), 2))
    return Split(step, f"one file: one row in {step} is kept for validation, the others train")


def _unlike(classes: Sequence[object], step: int) -> float:
    """How differently classes are spread over the kept rows and over all, from 0 to 1."""
    if not classes:
        return 0.0
    whole, kept = Counter(classes), Counter(classes[::step])
    total, size = len(classes), len(classes[::step])
    return sum(abs(count / total - kept[one] / size) for one, count in whole.items()) / 2
