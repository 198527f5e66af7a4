"""What is trained on and what is kept apart, where one file holds all."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

_STEPS: Final = (10, 11, 9, 13, 7)
_FEW: Final = 100  # rows, of which more have to be kept to say anything
_STEPS_OF_FEW: Final = (5, 6, 4, 7, 3)
_ALIKE: Final = 0.05  # spread over classes, by which parts may differ


@dataclass(frozen=True)
class Split:
    """Two parts of a file.

    Attributes:
        train: what a recipe says of the source to train on.
        validation: the same of the source that is kept.
        reason: why so; one line.
        step: every how many rows one is kept; none where whole articles are.
    """

    train: Mapping[str, str]
    validation: Mapping[str, str]
    reason: str
    step: int | None = None

    def is_kept(self, row: int) -> bool:
        """Whether a row, counted from 0, is kept."""
        return self.step is not None and row % self.step == 0


def split_rows(count: int, classes: Sequence[object] = ()) -> Split:
    """Keeps some rows from all over the data, for these may be sorted.

    Args:
        count: of rows.
        classes: of each row, where they are to be spread alike: rows may come in turns of classes.
    """
    steps = _STEPS if count >= _FEW else _STEPS_OF_FEW
    unlike = {step: _unlike(classes, step) for step in steps}
    step = next(
        (step for step in steps if unlike[step] < _ALIKE), min(steps, key=unlike.__getitem__)
    )
    reason = f"one file: one row in {step} is kept for validation, the others train"
    return Split({"rows": f"not ::{step}"}, {"rows": f"::{step}"}, reason, step)


def split_questions(count: int, articles: int) -> Split:
    """Keeps articles as a whole, where there are enough of them.

    Args:
        count: of questions.
        articles: that they are about; none where that is not known.
    """
    kept = articles // _STEPS[0]
    if kept:
        reason = (
            f"one file: the last {kept} of its {articles} articles are kept for validation, so "
            "that no context is in both"
        )
        return Split({"articles": f":-{kept}"}, {"articles": f"-{kept}:"}, reason)
    split = split_rows(count)
    return replace(split, reason=f"{split.reason}; some contexts may be in both")


def _unlike(classes: Sequence[object], step: int) -> float:
    """How differently classes are spread over the kept rows and over all, from 0 to 1."""
    if not classes:
        return 0.0
    whole, kept = Counter(classes), Counter(classes[::step])
    total, size = len(classes), len(classes[::step])
    return sum(abs(count / total - kept[one] / size) for one, count in whole.items()) / 2
