"""The tokenizer of a model as the tasks and the engine read texts with it."""

import copy
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from transformers import (
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    PreTrainedTokenizerBase,
)

from fineprune.tasks.base import Head
from fineprune.text.fast import FastTokenizer
from fineprune.text.settings import TokenizerSettings
from fineprune.text.tokenizer import Tokenizer, starts_with_cls

Collator: TypeAlias = Callable[[list[dict[str, Any]]], Mapping[str, Any]]
"""Makes a padded batch of rows."""


def text_tokenizer(tokenizer: PreTrainedTokenizerBase) -> Tokenizer:
    """What texts become tokens with, in training and evaluation as in the engine.

    A slow tokenizer, which no packed file carries, stays as it is.
    """
    if not tokenizer.is_fast:
        slow: Any = tokenizer
        return slow  # type: ignore[no-any-return]
    backend: Any = tokenizer.backend_tokenizer
    settings = TokenizerSettings(
        model_max_length=tokenizer.model_max_length,
        truncation_side=tokenizer.truncation_side,
        padding_side=tokenizer.padding_side,
        model_input_names=tuple(tokenizer.model_input_names),
        cls_token=tokenizer.cls_token,
        unk_token=tokenizer.unk_token,
        pad_token=tokenizer.pad_token or "",
        pad_token_type_id=tokenizer.pad_token_type_id,
        split_special_tokens=bool(tokenizer.split_special_tokens),
    )
    return FastTokenizer(backend.to_str(), settings)


def padding_collator(tokenizer: PreTrainedTokenizerBase, texts: Tokenizer, head: Head) -> Collator:
    """Makes batches, padded so that a model says the same of a text in each of them.

    That is on the side that the tokenizer names, unless it puts its CLS token first, or what is
    said is said of tokens, which are counted from the left.

    Args:
        tokenizer: of the model.
        texts: the same as `text_tokenizer` gives it.
        head: of the task.
    """
    padding = copy.copy(tokenizer)
    of_tokens = head.auto_model == "AutoModelForTokenClassification"
    if of_tokens or starts_with_cls(texts):
        padding.padding_side = "right"
    return (
        DataCollatorForTokenClassification(padding)
        if of_tokens
        else DataCollatorWithPadding(padding)
    )
