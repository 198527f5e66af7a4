"""A tokenizer of whole words, and a cache of data sets that is thrown away."""

from pathlib import Path

import datasets
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

WORDS = ("[UNK]", "[PAD]", "[CLS]", "[SEP]", "one", "two", "three", "four", "five", "six")


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerBase:
    """Word `i` of `WORDS` is token `i`; a text is `[CLS] a [SEP]`, a pair `[CLS] a [SEP] b [SEP]`.

    Token types are made; inputs of up to 128 tokens are taken.
    """
    model = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    model.pre_tokenizer = WhitespaceSplit()
    model.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=model,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=128,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


@pytest.fixture
def dataset_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where `datasets` keeps what it loaded, for one test."""
    cache = tmp_path / "cache"
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", cache)
    return cache
