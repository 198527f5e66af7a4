import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fineprune.tasks.question_answering.examples import Example
from fineprune.text.answers import (
    AnswerRules,
    Prediction,
    predict_answers,
)
from fineprune.text.windows import ContextMap

ANSWER_ALL = AnswerRules(n_best=20, max_answer_length=30, null_threshold=None)


def one_example(context: str, windows: list[list[tuple[int, int]]]) -> tuple[Example, ContextMap]:
    """An example whose windows have these spans; each window begins with CLS."""
    width = 1 + max(map(len, windows))
    offsets = np.zeros((len(windows), width, 2), dtype=np.int32)
    for row, spans in enumerate(windows):
        offsets[row, 1 : 1 + len(spans)] = np.reshape(spans, (-1, 2))
    zeros = np.zeros(len(windows), dtype=np.int64)
    return Example("id", "?", context, ()), ContextMap(zeros, zeros, offsets)


def predict(
    example: Example, windows: ContextMap, start: Any, end: Any, rules: AnswerRules = ANSWER_ALL
) -> Prediction:
    logits = np.array(start, dtype=np.float32), np.array(end, dtype=np.float32)
    (prediction,) = predict_answers([example], windows, logits, rules)
    return prediction


ABC = one_example("a b c", [[(0, 1), (2, 3), (4, 5)]])


def test_by_hand() -> None:
    """Spans of "a b c": start logits 1, 2, 0 and end logits 4, 0, 2, CLS (9, 9) not allowed."""
    prediction = predict(*ABC, [[9, 1, 2, 0]], [[9, 4, 0, 2]])
    scores = {"a": 5, "b c": 4, "a b c": 3, "b": 2, "c": 2, "a b": 1}
    total = sum(np.exp(score) for score in scores.values())
    assert [answer.text for answer in prediction.n_best] == list(scores)
    for answer in prediction.n_best:
        assert answer.probability == pytest.approx(np.exp(scores[answer.text]) / total)
        assert "a b c"[answer.start : answer.end] == answer.text
    assert prediction.answer == prediction.n_best[0]
    assert prediction.null_odds is None


def test_max_answer_length_counts_tokens() -> None:
    rules = AnswerRules(n_best=20, max_answer_length=2, null_threshold=None)
    prediction = predict(*ABC, [[0, 9, 0, 0]], [[0, 0, 1, 9]], rules)
    assert prediction.answer.text == "a b"
    assert "a b c" not in [answer.text for answer in prediction.n_best]


def test_n_best_bounds_starts_and_ends() -> None:
    """The best start is "c", the best end "a": no valid pair of them is left."""
    rules = AnswerRules(n_best=1, max_answer_length=30, null_threshold=None)
    prediction = predict(*ABC, [[0, 0, 1, 2]], [[0, 2, 1, 0]], rules)
    assert prediction.n_best == ()
    assert (prediction.answer.text, prediction.answer.probability) == ("", 0.0)


def test_best_window_wins_and_shared_spans_count_once() -> None:
    example, windows = one_example("a b c", [[(0, 1), (2, 3)], [(2, 3), (4, 5)]])
    prediction = predict(example, windows, [[0, 0, 4], [0, 1, 0]], [[0, 0, 1], [0, 2, 3]])
    assert [answer.text for answer in prediction.n_best] == ["b", "b c", "c", "a b", "a"]
    assert prediction.answer.text == "b"
    assert sum(answer.probability for answer in prediction.n_best) == pytest.approx(1)


def test_spaces_around_a_span_are_left_out() -> None:
    example, windows = one_example("a b", [[(0, 1), (1, 2), (1, 3)]])
    prediction = predict(example, windows, [[0, 0, 5, 3]], [[0, 0, 5, 4]])
    assert [answer.text for answer in prediction.n_best] == ["b", "a", "a b"]
    assert (prediction.answer.start, prediction.answer.end) == (2, 3)


@pytest.mark.parametrize(
    ("threshold", "text"), [(0.0, ""), (0.99, ""), (1.0, "b"), (5.0, "b"), (-9.0, "")]
)
def test_null_score_is_the_least_of_the_windows(threshold: float, text: str) -> None:
    """Null scores 10 and 7; the best span scores 6: odds of 1, more than the threshold or not."""
    example, windows = one_example("a b c", [[(0, 1), (2, 3)], [(2, 3), (4, 5)]])
    rules = AnswerRules(n_best=20, max_answer_length=30, null_threshold=threshold)
    prediction = predict(example, windows, [[5, 0, 3], [3, 0, 0]], [[5, 0, 3], [4, 0, 0]], rules)
    assert prediction.null_odds == 1.0
    assert prediction.answer.text == text
    assert prediction.n_best[0].text == ""
    assert (prediction.n_best[0].start, prediction.n_best[0].end) == (0, 0)
    assert sum(answer.probability for answer in prediction.n_best) == pytest.approx(1)


def test_context_without_tokens() -> None:
    example, windows = one_example("", [[]])
    assert predict(example, windows, [[1]], [[1]]).n_best == ()
    rules = AnswerRules(n_best=20, max_answer_length=30, null_threshold=0.0)
    prediction = predict(example, windows, [[1]], [[1]], rules)
    assert prediction.answer.text == ""
    assert prediction.answer.probability == 1.0
    assert prediction.null_odds is None


def test_equal_scores_go_to_the_first() -> None:
    prediction = predict(*ABC, np.zeros((1, 4)), np.zeros((1, 4)))
    assert [answer.text for answer in prediction.n_best][:3] == ["a", "a b", "a b c"]


def test_logits_that_are_not_numbers_give_no_answer() -> None:
    nan = np.full((1, 4), np.nan)
    assert predict(*ABC, nan, nan).answer.text == ""


@pytest.mark.parametrize(("start", "end"), [((1, 3), (1, 3)), ((2, 4), (2, 4)), ((1, 4), (1, 5))])
def test_logits_of_other_windows_are_refused(start: tuple[int, ...], end: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="for 1 windows of 4 tokens, found shapes"):
        predict(*ABC, np.zeros(start), np.zeros(end))


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[Example], ContextMap, np.ndarray, np.ndarray]:
    """Random windows over contexts of letters, a letter a token, with random whole logits."""
    rows: list[tuple[int, int, int]] = []  # example, CLS, first token of the context
    examples = []
    for index in range(draw(st.integers(1, 3))):
        examples.append(Example(str(index), "?", "abcdefgh"[: draw(st.integers(1, 8))], ()))
        for _ in range(draw(st.integers(1, 3))):
            rows.append((index, draw(st.integers(0, 1)), draw(st.integers(2, 4))))
    width = 12
    offsets = np.zeros((len(rows), width, 2), dtype=np.int32)
    for row, (index, _, first) in enumerate(rows):
        begin = draw(st.integers(0, len(examples[index].context) - 1))
        for character in range(begin, len(examples[index].context)):
            offsets[row, first + character - begin] = character, character + 1
    values = st.integers(-20, 20)
    size = len(rows) * width
    start, end = (
        np.array(draw(st.lists(values, min_size=size, max_size=size)), dtype=np.float32)
        for _ in range(2)
    )
    columns = np.array(rows)
    return (
        examples,
        ContextMap(columns[:, 0], columns[:, 1], offsets),
        start.reshape(-1, width),
        end.reshape(-1, width),
    )


@given(case=cases(), max_answer_length=st.integers(1, 8), padding=st.integers(0, 3))
def test_all_pairs_by_brute_force(
    case: tuple[list[Example], ContextMap, np.ndarray, np.ndarray],
    max_answer_length: int,
    padding: int,
) -> None:
    """With `n_best` as large as a window, the ranking is over all pairs; padding is ignored."""
    examples, windows, start, end = case
    rules = AnswerRules(n_best=100, max_answer_length=max_answer_length, null_threshold=0.0)
    pad = ((0, 0), (0, padding))
    padded = tuple(np.pad(part, pad, constant_values=-100) for part in (start, end))
    for index, prediction in enumerate(predict_answers(examples, windows, padded, rules)):
        best: dict[tuple[int, int], float] = {}
        nulls = []
        for row in np.flatnonzero(windows.example == index):
            nulls.append(start[row, windows.cls[row]] + end[row, windows.cls[row]])
            spans = windows.offsets[row]
            tokens = [n for n in range(len(spans)) if spans[n, 1] > spans[n, 0]]
            for i in tokens:
                for j in tokens:
                    if i <= j < i + max_answer_length:
                        span = int(spans[i, 0]), int(spans[j, 1])
                        score = float(start[row, i] + end[row, j])
                        best[span] = max(score, best.get(span, -np.inf))
        assert prediction.null_odds == min(nulls) - max(best.values())
        scores = {**best, (0, 0): float(min(nulls))}
        total = sum(np.exp(score) for score in scores.values())
        found = {(answer.start, answer.end): answer.probability for answer in prediction.n_best}
        assert found == {
            span: pytest.approx(np.exp(score) / total) for span, score in scores.items()
        }
        chosen = prediction.answer
        if min(nulls) > max(best.values()):
            assert chosen.text == ""
        else:
            assert best[chosen.start, chosen.end] == max(best.values())


def test_ten_thousand_windows_take_seconds() -> None:
    rng = np.random.default_rng(0)
    offsets = np.zeros((10_000, 384, 2), dtype=np.int32)
    offsets[:, 20:380] = np.arange(360)[:, None] + [0, 1]
    windows = ContextMap(np.arange(10_000), np.zeros(10_000, dtype=np.int64), offsets)
    examples = [Example(str(n), "?", "x" * 360, ()) for n in range(10_000)]
    start, end = (rng.normal(size=(10_000, 384)).astype(np.float32) for _ in range(2))
    began = time.perf_counter()
    predict_answers(examples, windows, (start, end), ANSWER_ALL)
    assert time.perf_counter() - began < 20  # about one on an idle core
