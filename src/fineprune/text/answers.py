"""From a head's logits over windows to the n best answers of each question.

The procedure of the original SQuAD code (`write_predictions` of BERT's `run_squad.py`) and of
`transformers`' question-answering example, except that a span that two windows share counts once,
and that white space around a span does not.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from fineprune.text.windows import ContextMap, Question

Logits = tuple[np.ndarray, ...]
"""Start and end logits, of shape `(windows, tokens)` each."""

_PAIRS = 200_000  # pairs of starts and ends looked at at once: bounds the memory they take


@dataclass(frozen=True)
class AnswerRules:
    """How an answer is chosen.

    Attributes:
        n_best: starts and ends looked at in each window, and answers kept of each question.
        max_answer_length: longest answer in tokens.
        null_threshold: a question is left unanswered if its null score exceeds the score of its
            best answer by more than this; None if every question is to be answered.
    """

    n_best: int
    max_answer_length: int
    null_threshold: float | None


@dataclass(frozen=True, slots=True)
class ScoredAnswer:
    """A possible answer.

    Attributes:
        text: `context[start:end]`; empty for "no answer".
        start: index of its first character in the context.
        end: index behind its last character; `start` and `end` are 0 for "no answer".
        probability: softmax over the scores of the n best; 0 where there was nothing to choose.
    """

    text: str
    start: int
    end: int
    probability: float


_NOTHING = ScoredAnswer("", 0, 0, 0.0)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model says to one question.

    Attributes:
        answer: the answer chosen; empty where none is allowed and likely, or where the context
            has no tokens.
        n_best: the best answers, "no answer" among them if allowed, most probable first.
        null_odds: null score minus the score of the best answer, as the `--na-prob-file` of the
            official 2.0 script takes it (any monotonic score will do); None if every question
            is to be answered, or the context has no tokens.
    """

    answer: ScoredAnswer
    n_best: tuple[ScoredAnswer, ...]
    null_odds: float | None


@dataclass(frozen=True)
class _Spans:
    """Best spans of each window, best first, each of shape `(windows, k)`.

    `score` is the sum of start and end logit, minus infinity where a window has no more spans;
    `start` and `end` are characters of the context.
    """

    score: np.ndarray
    start: np.ndarray
    end: np.ndarray


def predict_answers(
    examples: Sequence[Question], windows: ContextMap, logits: Logits, rules: AnswerRules
) -> list[Prediction]:
    """Chooses an answer for each example.

    In each window, the `n_best` starts and ends among the context's tokens are paired; a pair
    counts if its end is not before its start and it has at most `max_answer_length` tokens. The
    null score of an example is the least `start[CLS] + end[CLS]` over its windows.

    Args:
        examples: the examples.
        windows: their windows.
        logits: start and end logits, shape `(windows, tokens)` each. Values at tokens that are
            not of the context do not matter, so arrays may be padded on the right with anything.
        rules: how to choose.

    Raises:
        ValueError: the logits have other windows than `windows`, or fewer tokens.
    """
    start, end = _checked(logits, windows)
    spans = _window_spans(start, end, windows.offsets, rules)
    rows = np.arange(len(windows.cls))
    null_scores = start[rows, windows.cls].astype(np.float64) + end[rows, windows.cls]
    bounds = np.searchsorted(windows.example, np.arange(len(examples) + 1))
    predictions = []
    for example, first, last in zip(examples, bounds[:-1], bounds[1:], strict=True):
        scored = list(_distinct(spans, slice(first, last), example.context, rules.n_best))
        null_score = float(null_scores[first:last].min())
        predictions.append(_choose(example.context, scored, null_score, rules.null_threshold))
    return predictions


def _checked(logits: Logits, windows: ContextMap) -> tuple[np.ndarray, np.ndarray]:
    count, tokens, _ = windows.offsets.shape
    start, end = logits
    if start.shape != end.shape or len(start) != count or start.shape[1] < tokens:
        raise ValueError(
            f"expected start and end logits for {count} windows of {tokens} tokens, found shapes "
            f"{start.shape} and {end.shape}"
        )
    return start[:, :tokens], end[:, :tokens]


def _window_spans(
    start: np.ndarray, end: np.ndarray, offsets: np.ndarray, rules: AnswerRules
) -> _Spans:
    size = max(1, _PAIRS // rules.n_best**2)
    chunks = [slice(first, first + size) for first in range(0, len(start), size)]
    parts = [_best_spans(start[chunk], end[chunk], offsets[chunk], rules) for chunk in chunks]
    return _Spans(
        np.concatenate([part.score for part in parts]),
        np.concatenate([part.start for part in parts]),
        np.concatenate([part.end for part in parts]),
    )


def _best_spans(
    start: np.ndarray, end: np.ndarray, offsets: np.ndarray, rules: AnswerRules
) -> _Spans:
    in_context = offsets[..., 1] > offsets[..., 0]
    # Exact sums of float32 logits, so that ties are ties of the model and not of rounding.
    start = np.where(in_context, start.astype(np.float64), -np.inf)
    end = np.where(in_context, end.astype(np.float64), -np.inf)
    firsts, lasts = _largest(start, rules.n_best), _largest(end, rules.n_best)
    scores = (
        np.take_along_axis(start, firsts, axis=1)[:, :, None]
        + np.take_along_axis(end, lasts, axis=1)[:, None, :]
    )
    tokens = lasts[:, None, :] - firsts[:, :, None] + 1
    allowed = (tokens >= 1) & (tokens <= rules.max_answer_length)
    scores = np.where(allowed, scores, -np.inf).reshape(len(scores), -1)
    best = _largest(scores, rules.n_best)
    first, last = np.unravel_index(best, (firsts.shape[1], lasts.shape[1]))
    rows = np.arange(len(best))[:, None]
    return _Spans(
        np.take_along_axis(scores, best, axis=1),
        offsets[rows, firsts[rows, first], 0],
        offsets[rows, lasts[rows, last], 1],
    )


def _largest(values: np.ndarray, count: int) -> np.ndarray:
    """Indices of the `count` largest along the last axis, largest first, the earlier of equals."""
    return np.argsort(-values, axis=-1, kind="stable")[..., :count]


def _distinct(
    spans: _Spans, windows: slice, context: str, count: int
) -> Iterator[tuple[float, int, int]]:
    """The `count` best different spans of `windows` as `(score, start, end)`, best first."""
    score, start, end = (part[windows].ravel() for part in (spans.score, spans.start, spans.end))
    seen: set[tuple[int, int]] = set()
    for index in _largest(score, len(score)):
        if len(seen) == count or not np.isfinite(score[index]):
            return
        span = _without_spaces(context, int(start[index]), int(end[index]))
        if span[0] < span[1] and span not in seen:
            seen.add(span)
            yield float(score[index]), *span


def _without_spaces(context: str, start: int, end: int) -> tuple[int, int]:
    # Tokens of some tokenizers begin with the space before their word, or are nothing else.
    text = context[start:end]
    start += len(text) - len(text.lstrip())
    return start, start + len(text.strip())


def _choose(
    context: str,
    spans: Sequence[tuple[float, int, int]],
    null_score: float,
    null_threshold: float | None,
) -> Prediction:
    null = [] if null_threshold is None else [(null_score, 0, 0)]
    ranked = sorted([*spans, *null], key=lambda span: -span[0])
    probabilities = _softmax(np.array([score for score, _, _ in ranked]))
    n_best = tuple(
        ScoredAnswer(context[start:end], start, end, float(probability))
        for (_, start, end), probability in zip(ranked, probabilities, strict=True)
    )
    answered = next((answer for answer in n_best if answer.text), _NOTHING)
    if null_threshold is None:
        return Prediction(answered, n_best, None)
    unanswered = next(answer for answer in n_best if not answer.text)
    if not spans:
        return Prediction(unanswered, n_best, None)
    null_odds = null_score - spans[0][0]
    return Prediction(unanswered if null_odds > null_threshold else answered, n_best, null_odds)


def _softmax(scores: np.ndarray) -> np.ndarray:
    if not len(scores):
        return scores
    weights = np.exp(scores - scores.max())
    return np.asarray(weights / weights.sum())
