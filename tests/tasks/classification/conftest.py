"""A tokenizer of whole words."""

import pytest
from transformers import PreTrainedTokenizerBase

from tests.workspace import make_tokenizer

WORDS = ("[UNK]", "[PAD]", "[CLS]", "[SEP]", "one", "two", "three", "four", "five", "six")


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerBase:
    """Word `i` of `WORDS` is token `i`; a text is `[CLS] a [SEP]`, a pair `[CLS] a [SEP] b [SEP]`.

    Token types are made; inputs of up to 128 tokens are taken.
    """
    return make_tokenizer(WORDS, most_tokens=128)
