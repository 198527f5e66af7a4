from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from fineprune.tasks.question_answering.examples import Answer, Example
from fineprune.tasks.question_answering.labels import answer_positions, answer_span
from fineprune.text.windows import WindowShape, cut_windows


def label(
    tokenizer: PreTrainedTokenizerBase, example: Example, shape: WindowShape
) -> list[tuple[int, str | None]]:
    """CLS position and labelled text (None: the label is CLS) of each window."""
    ((_, windows),) = cut_windows([example], tokenizer, shape)
    starts, ends = answer_positions(windows.map, np.array([answer_span(example)]))
    texts: list[tuple[int, str | None]] = []
    for cls, offsets, start, end in zip(
        windows.map.cls, windows.map.offsets, starts, ends, strict=True
    ):
        text = example.context[offsets[start, 0] : offsets[end, 1]]
        assert (start == cls) == (end == cls)
        texts.append((int(cls), None if start == cls else text))
    return texts


def example(context: str, start: int, end: int) -> Example:
    return Example("id", "ab", context, (Answer(context[start:end], start),))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_label_is_the_answer_in_exactly_the_windows_that_hold_it(
    bert_like: PreTrainedTokenizerBase, data: Any
) -> None:
    """With a character a token, windows are known: one every `room` characters."""
    context = data.draw(st.text("abcde", min_size=1, max_size=60))
    start = data.draw(st.integers(0, len(context) - 1))
    end = data.draw(st.integers(start + 1, len(context)))
    stride, room = data.draw(st.integers(0, 12)), data.draw(st.integers(1, 20))
    found = label(bert_like, example(context, start, end), WindowShape(5 + stride + room, stride))
    expected = []
    for first in range(0, max(1, len(context) - stride), room):
        holds = first <= start and end <= first + stride + room
        expected.append((0, context[start:end] if holds else None))
    assert found == expected
    if end - start <= stride:
        assert any(text is not None for _, text in found)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_label_covers_the_answer_with_any_tokenizer(
    tokenizer: PreTrainedTokenizerBase, data: Any
) -> None:
    """The tokens labelled are the fewest that hold the answer: ends reach into its characters."""
    context = data.draw(st.text("ab \u4e2d\U0001f600\u00e9.", min_size=1, max_size=40))
    start = data.draw(st.integers(0, len(context) - 1))
    end = data.draw(st.integers(start + 1, len(context)))
    made = example(context, start, end)
    ((_, text),) = label(tokenizer, made, WindowShape(250, 0))
    answer = context[start:end].strip()
    assert (text is None) == (not answer)
    if text is not None:
        assert answer in text
        words = context[:start].split(), context[end:].split()
        assert len(text.split()) <= len(answer.split()) + len(words[0][-1:]) + len(words[1][:1])


def test_character_of_several_byte_tokens(roberta_like: PreTrainedTokenizerBase) -> None:
    """Each byte token of a character has its whole span; the label is all three, in order."""
    made = example("aa \u4e2d bb", 3, 4)
    ((_, windows),) = cut_windows([made], roberta_like, WindowShape(40, 0))
    ((start,), (end,)) = answer_positions(windows.map, np.array([answer_span(made)]))
    assert windows.map.offsets[0, start : end + 1].tolist() == [[3, 4]] * 3


def test_label_begins_with_the_tokens_space(
    roberta_like: PreTrainedTokenizerBase, deberta_like: PreTrainedTokenizerBase
) -> None:
    made = example("They came from Norse raiders.", 15, 20)
    assert label(roberta_like, made, WindowShape(100, 0)) == [(0, "Norse")]
    assert label(deberta_like, made, WindowShape(100, 0)) == [(0, " Norse")]


@pytest.mark.parametrize("answer", [" b ", "\u200bb", "b\n", "b"])
def test_invisible_ends_are_not_part_of_the_label(
    answer: str, bert_like: PreTrainedTokenizerBase
) -> None:
    """At the end of a context no token covers them."""
    assert label(bert_like, example(answer, 0, len(answer)), WindowShape(20, 0)) == [(0, "b")]


def test_no_answer_is_cls(tokenizer: PreTrainedTokenizerBase) -> None:
    made = Example("id", "ab", "cd", ())
    assert answer_span(made) == (0, 0)
    assert all(text is None for _, text in label(tokenizer, made, WindowShape(20, 0)))


def test_answer_that_no_token_covers_is_cls(bert_like: PreTrainedTokenizerBase) -> None:
    assert label(bert_like, example("a \ufffd b", 2, 3), WindowShape(20, 0)) == [(0, None)]
