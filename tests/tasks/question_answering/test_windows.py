from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import CanineTokenizer, PreTrainedTokenizerBase

from fineprune.errors import DataError, RecipeError
from fineprune.tasks.question_answering.examples import Example
from fineprune.text.windows import (
    QUESTION_TOKENS,
    ContextMap,
    Windows,
    WindowShape,
    cut_windows,
    join_maps,
)

ANY_TEXT = st.text(
    st.one_of(st.sampled_from("abc .,'\n"), st.characters(exclude_categories=["Cs"])), max_size=60
)

# The fixtures are tokenizers, which no test changes.
TOKENIZERS_ARE_CONSTANT = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100
)


def cut(
    tokenizer: PreTrainedTokenizerBase, question: str, context: str, max_length: int, stride: int
) -> Windows:
    example = Example("id", question, context, ())
    ((_, windows),) = cut_windows([example], tokenizer, WindowShape(max_length, stride))
    return windows


def context_tokens(windows: ContextMap, window: int) -> np.ndarray:
    offsets: np.ndarray = windows.offsets[window]
    kept: np.ndarray = offsets[offsets[:, 1] > offsets[:, 0]]
    return kept


@TOKENIZERS_ARE_CONSTANT
@given(context=ANY_TEXT, stride=st.integers(0, 10), room=st.integers(1, 30))
def test_offsets_are_slices_of_the_context(
    tokenizer: PreTrainedTokenizerBase, context: str, stride: int, room: int
) -> None:
    """Every context token decodes to its slice, and the windows together cover the context."""
    question = "ab"
    special = tokenizer.num_special_tokens_to_add(pair=True)
    used = len(tokenizer(question, add_special_tokens=False)["input_ids"]) + special
    windows = cut(tokenizer, question, context, used + stride + room, stride)
    whole = tokenizer(context, add_special_tokens=False, return_offsets_mapping=True)
    expected = [
        (token, *span)
        for token, span in zip(whole["input_ids"], whole["offset_mapping"], strict=True)
        if span[1] > span[0]
    ]
    found = []
    for ids, offsets in zip(windows.inputs["input_ids"], windows.map.offsets, strict=True):
        assert len(ids) <= used + stride + room
        tokens = [
            (token, int(start), int(end))
            for token, (start, end) in zip(ids, offsets[: len(ids)], strict=True)
            if end > start
        ]
        runs = (expected[n : n + len(tokens)] for n in range(len(expected) + 1))
        assert tokens in runs
        found += tokens
    assert sorted(set(found)) == sorted(set(expected))


@TOKENIZERS_ARE_CONSTANT
@given(stride=st.integers(0, 10), room=st.integers(1, 30), length=st.integers(0, 100))
def test_neighbours_share_stride_tokens(
    bert_like: PreTrainedTokenizerBase, stride: int, room: int, length: int
) -> None:
    windows = cut(bert_like, "ab", "x" * length, 5 + stride + room, stride).map
    tokens = [context_tokens(windows, window) for window in range(len(windows.cls))]
    assert all(len(window) == stride + room for window in tokens[:-1])
    for left, right in pairwise(tokens):
        assert left[-1, 1] - right[0, 0] == stride  # a character a token


def test_question_stands_first_or_last(tokenizer: PreTrainedTokenizerBase) -> None:
    windows = cut(tokenizer, "ab", "cd ef", 20, 0)
    (ids,) = windows.inputs["input_ids"]
    question = tokenizer("ab", add_special_tokens=False)["input_ids"]
    context = tokenizer("cd ef", add_special_tokens=False)["input_ids"]
    kept = [token for token in ids if token not in tokenizer.all_special_ids]
    question_first = tokenizer.padding_side == "right"
    assert kept == (question + context if question_first else context + question)
    assert ids[windows.map.cls[0]] == tokenizer.cls_token_id


def test_inputs_are_what_the_model_takes(
    bert_like: PreTrainedTokenizerBase, roberta_like: PreTrainedTokenizerBase
) -> None:
    windows = cut(bert_like, "ab", "cd", 20, 0)
    (ids,) = windows.inputs.pop("input_ids")
    tokens = ["[CLS]", "a", "##b", "[SEP]", "c", "##d", "[SEP]"]
    assert bert_like.convert_ids_to_tokens(ids) == tokens
    assert windows.inputs == {
        "token_type_ids": [[0, 0, 0, 0, 1, 1, 1]],
        "attention_mask": [[1, 1, 1, 1, 1, 1, 1]],
    }
    windows = cut(roberta_like, "ab", "cd", 20, 0)
    assert set(windows.inputs) == {"input_ids", "attention_mask"}
    is_separator = np.array(windows.inputs["input_ids"][0]) == roberta_like.sep_token_id
    assert np.flatnonzero(is_separator).tolist() == [3, 4, 7]


def test_padding_on_the_left_happens_here(xlnet_like: PreTrainedTokenizerBase) -> None:
    """Later padding on that side would shift every position."""
    windows = cut(xlnet_like, "ab", "cdefg", 20, 0)
    (ids,) = windows.inputs["input_ids"]
    assert ids[:10] == [xlnet_like.pad_token_id] * 10
    assert windows.map.cls.tolist() == [19]
    assert windows.map.offsets[0, 10:15].tolist() == [[n, n + 1] for n in range(5)]


def test_special_tokens_in_the_text_are_text(xlnet_like: PreTrainedTokenizerBase) -> None:
    windows = cut(xlnet_like, "[CLS]", "a [CLS] b", 20, 0)
    assert windows.map.cls.tolist() == [19]
    assert [2, 7] in windows.map.offsets[0].tolist()


@pytest.mark.parametrize("context", ["", " \n", "\u200b"])
def test_context_without_tokens_is_one_window(
    context: str, bert_like: PreTrainedTokenizerBase
) -> None:
    windows = cut(bert_like, "ab", context, 20, 2).map
    assert windows.offsets.shape[0] == 1
    assert not windows.offsets.any()


def test_long_question_is_clipped_and_stripped(tokenizer: PreTrainedTokenizerBase) -> None:
    windows = cut(tokenizer, " \n " + "ab " * 1000, "cd", 200, 50)
    clipped = tokenizer(("ab " * 1000)[:-1], add_special_tokens=False)["input_ids"]
    (ids,) = windows.inputs["input_ids"]
    kept = [token for token in ids if token not in tokenizer.all_special_ids]
    context = tokenizer("cd", add_special_tokens=False)["input_ids"]
    assert len(kept) == QUESTION_TOKENS + len(context)
    question_first = tokenizer.padding_side == "right"
    question = kept[: -len(context)] if question_first else kept[len(context) :]
    assert question == clipped[:QUESTION_TOKENS]


def test_blank_question(tokenizer: PreTrainedTokenizerBase) -> None:
    assert len(context_tokens(cut(tokenizer, "  ", "cd", 20, 2).map, 0)) > 0


def test_stride_must_be_less_than_the_room(bert_like: PreTrainedTokenizerBase) -> None:
    assert len(cut(bert_like, "ab", "c" * 30, 16, 10).map.cls) == 20
    with pytest.raises(
        RecipeError,
        match=r"max_length 16 leaves 11 tokens .* question of 2 and 3 special .*stride 11;",
    ):
        cut(bert_like, "ab", "c" * 30, 16, 11)
    with pytest.raises(RecipeError, match="leaves 0 tokens"):
        cut(bert_like, "ab" * 100, "c", 16, 0)


def test_max_length_of_the_model(bert_like: PreTrainedTokenizerBase) -> None:
    with pytest.raises(RecipeError, match="max_length is 513, but this model takes at most 512"):
        cut(bert_like, "ab", "c", 513, 0)


def test_slow_tokenizer_is_refused() -> None:
    with pytest.raises(DataError, match="CanineTokenizer is a slow one"):
        cut(CanineTokenizer(), "ab", "c", 20, 0)  # type: ignore[no-untyped-call]


def test_tokenizer_without_cls_is_refused(
    character_tokenizer: Callable[..., PreTrainedTokenizerBase],
) -> None:
    with pytest.raises(DataError, match="has no CLS token"):
        cut(character_tokenizer(cls_token=None), "ab", "c", 20, 0)
    with pytest.raises(DataError, match=r"does not put its CLS token '\[MASK\]' into"):
        cut(character_tokenizer(cls_token="[MASK]"), "ab", "c", 20, 0)


def test_batches_join_to_what_one_batch_gives(bert_like: PreTrainedTokenizerBase) -> None:
    lengths = np.random.default_rng(0).integers(0, 60, size=150)
    examples = [Example(str(n), "ab", "x" * length, ()) for n, length in enumerate(lengths)]
    parts = list(cut_windows(examples, bert_like, WindowShape(20, 5)))
    assert [example for batch, _ in parts for example in batch] == examples
    joined = join_maps([windows.map for _, windows in parts])
    expected = np.repeat(np.arange(150), [max(1, -(-(length - 5) // 10)) for length in lengths])
    np.testing.assert_array_equal(joined.example, expected)
    for example in examples:
        rows = joined.offsets[joined.example == int(example.id)]
        assert rows.max() == len(example.context)
