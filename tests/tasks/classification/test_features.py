"""Tokenized features."""

import pyarrow
import pytest
from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from fineprune.errors import RecipeError
from fineprune.tasks.classification import task


def tokenized(
    texts: tuple[list[str], ...], tokenizer: PreTrainedTokenizerBase, max_length: int
) -> Dataset:
    columns = tuple(pyarrow.chunked_array([column]) for column in texts)
    return task.tokenized(columns, tokenizer, max_length)


def test_single_texts(tokenizer: PreTrainedTokenizerBase) -> None:
    features = tokenized((["one two", "", "six nine"],), tokenizer, max_length=16)
    assert features["input_ids"][:] == [[2, 4, 5, 3], [2, 3], [2, 9, 0, 3]]
    assert features["attention_mask"][:] == [[1] * 4, [1] * 2, [1] * 4]
    assert features["token_type_ids"][:] == [[0] * 4, [0] * 2, [0] * 4]


def test_pairs(tokenizer: PreTrainedTokenizerBase) -> None:
    features = tokenized((["one"], ["two three"]), tokenizer, max_length=16)
    assert features["input_ids"][:] == [[2, 4, 3, 5, 6, 3]]
    assert features["token_type_ids"][:] == [[0, 0, 0, 1, 1, 1]]


def test_long_texts_are_cut(tokenizer: PreTrainedTokenizerBase) -> None:
    features = tokenized((["one two three four"],), tokenizer, max_length=4)
    assert features["input_ids"][:] == [[2, 4, 5, 3]]


def test_of_a_pair_the_longer_text_is_cut(tokenizer: PreTrainedTokenizerBase) -> None:
    features = tokenized((["one two three four"], ["five"]), tokenizer, max_length=6)
    assert features["input_ids"][:] == [[2, 4, 5, 3, 8, 3]]


def test_rows_keep_their_order_over_batches(tokenizer: PreTrainedTokenizerBase) -> None:
    words = ["one", "two", "three"] * 1001
    features = tokenized((words,), tokenizer, max_length=3)
    assert [row[1] for row in features["input_ids"]] == [4, 5, 6] * 1001


def test_the_lists_stay_in_memory(tokenizer: PreTrainedTokenizerBase) -> None:
    assert tokenized((["one"],), tokenizer, max_length=16).cache_files == []


@pytest.mark.parametrize(("max_length", "words"), [(129, "at most 128 tokens"), (2, "2 special")])
def test_lengths_that_the_tokenizer_cannot_cut_to(
    tokenizer: PreTrainedTokenizerBase, max_length: int, words: str
) -> None:
    with pytest.raises(RecipeError, match=words):
        tokenized((["one"],), tokenizer, max_length)


def test_pairs_have_one_special_token_more(tokenizer: PreTrainedTokenizerBase) -> None:
    with pytest.raises(RecipeError, match="3 special"):
        tokenized((["one"], ["two"]), tokenizer, max_length=3)
