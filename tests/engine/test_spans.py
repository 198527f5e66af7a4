"""The best spans of a window, found without a look at all of them."""

import numpy as np
import pytest

from fineprune.engine.tasks.question_answering import _Rules, _Window


@pytest.mark.parametrize(
    ("length", "longest", "count"),
    [(1, 1, 1), (7, 15, 3), (30, 4, 1), (30, 4, 5), (30, 15, 1000), (384, 15, 20)],
)
def test_they_are_the_best_of_all_spans(length: int, longest: int, count: int) -> None:
    """Against every product of a start and an end, ties in the order of their places."""
    random = np.random.default_rng(length)
    # Few different numbers, zeros among them: many ties.
    start, end = (random.integers(0, 4, length).astype(np.float32) / 4 for _ in range(2))
    every = [
        (-float(start[first] * end[last]), first, last)
        for first in range(length)
        for last in range(first, min(length, first + longest))
        if start[first] * end[last] > 0
    ]
    window = _Window(encoding=None, start=start, end=end, null=0.0)  # type: ignore[arg-type]
    found = list(window.spans(_Rules(count=count, longest=longest)))
    assert found == [(first, last, -score) for score, first, last in sorted(every)[:count]]
