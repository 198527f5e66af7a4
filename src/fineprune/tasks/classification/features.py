"""From texts to model inputs."""

from collections.abc import Sequence
from typing import Final

from datasets import Dataset, concatenate_datasets

from fineprune.errors import RecipeError
from fineprune.tasks.tokenizer import Tokenizer

# Texts a call: enough to amortise it, few enough to stay small as lists of Python integers.
_BATCH: Final = 1000


def tokenized(texts: tuple[Sequence[str], ...], tokenizer: Tokenizer, max_length: int) -> Dataset:
    """Model inputs in memory, one row a text or pair, cut to `max_length` tokens, not padded.

    Of a pair that is too long, tokens are taken from the longer text first.

    Args:
        texts: one list of texts, or two of equal length for pairs.
        tokenizer: of the model; its special tokens count as tokens.
        max_length: most tokens of a row.

    Raises:
        RecipeError: the tokenizer cannot cut to this length.
    """
    _check_length(tokenizer, max_length, pair=len(texts) > 1)
    batches = (
        tokenizer(
            *(list(column[start : start + _BATCH]) for column in texts),
            truncation=True,
            max_length=max_length,
        )
        for start in range(0, len(texts[0]), _BATCH)
    )
    # One at a time: a batch is many times larger as Python objects than as a table.
    return concatenate_datasets(
        [Dataset.from_dict({name: batch[name] for name in batch}) for batch in batches]
    )


def _check_length(tokenizer: Tokenizer, max_length: int, pair: bool) -> None:
    if max_length > tokenizer.model_max_length:
        raise RecipeError(
            f"task.max_length is {max_length}, but the tokenizer takes at most "
            f"{tokenizer.model_max_length} tokens: set it to that or less"
        )
    special = tokenizer.num_special_tokens_to_add(pair=pair)
    if max_length <= special:  # tokenizers would not cut at all
        raise RecipeError(
            f"task.max_length is {max_length}, but {special} special tokens have to fit "
            "beside the text: set it to more"
        )
