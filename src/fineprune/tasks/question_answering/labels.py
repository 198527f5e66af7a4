"""What a window is trained to say: the first and last token of the answer."""

import numpy as np

from fineprune.tasks.question_answering.examples import Example
from fineprune.text.windows import ContextMap


def answer_span(example: Example) -> tuple[int, int]:
    """Half-open span of characters of the first answer, which must be aligned; (0, 0) for none.

    White space and invisible characters at its ends are left out: tokens need not cover them.
    """
    if not example.answers:
        return 0, 0
    answer = example.answers[0]
    start, end = answer.start, answer.start + len(answer.text)
    while start < end and not _is_visible(example.context[start]):
        start += 1
    while start < end and not _is_visible(example.context[end - 1]):
        end -= 1
    return start, end


def answer_positions(windows: ContextMap, spans: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the first and the last token that overlap the answer, in each window.

    Both are the position of the CLS token where there is no answer, or the window does not hold
    all of it.

    Args:
        windows: where the tokens stand.
        spans: half-open span of characters of each example's answer, shape `(examples, 2)`;
            empty for none.

    Returns:
        Start and end positions (the end is inclusive), shape `(windows,)` each.
    """
    answer_start, answer_end = (column[windows.example, None] for column in spans.T)
    start, end = windows.offsets[..., 0], windows.offsets[..., 1]
    in_context = end > start
    window_start = np.where(in_context, start, np.iinfo(start.dtype).max).min(axis=1)
    window_end = end.max(axis=1)
    overlaps = in_context & (end > answer_start) & (start < answer_end)
    first = overlaps.argmax(axis=1)
    last = overlaps.shape[1] - 1 - overlaps[:, ::-1].argmax(axis=1)
    whole = (
        overlaps.any(axis=1)
        & (window_start <= answer_start[:, 0])
        & (answer_end[:, 0] <= window_end)
    )
    return np.where(whole, first, windows.cls), np.where(whole, last, windows.cls)


def _is_visible(character: str) -> bool:
    return character.isprintable() and not character.isspace()
