"""How long texts are, in the tokens of a model where its tokenizer is at hand, else in words."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from huggingface_hub import try_to_load_from_cache

from fineprune.errors import CheckpointError, UnsupportedModelError
from fineprune.tasks.model_names import resolve_name
from fineprune.tasks.proposal.profiles import words_in
from fineprune.text.fast import FastTokenizer
from fineprune.text.settings import CONFIG, TOKENIZER

_SAMPLE: Final = 2000  # rows, from all over the data
_TOKENS_OF_A_WORD: Final = 1.5  # a careful guess
_SPECIAL: Final = 3  # tokens around a pair
_STEP: Final = 8
_MODEL_LIMIT: Final = 512  # of most encoders


@dataclass(frozen=True)
class Lengths:
    """Lengths of inputs, two texts together where there are pairs.

    Attributes:
        median: of the lengths, in tokens.
        most: what 99 of 100 inputs do not exceed, in tokens.
        limit: that the model has.
        measure: how tokens were counted, for people.
    """

    median: int
    most: int
    limit: int
    measure: str

    @property
    def max_length(self) -> int:
        """Room for 99 of 100 inputs."""
        return min(max(-(-self.most // _STEP) * _STEP, 2 * _STEP), self.limit)

    @property
    def vary(self) -> bool:
        """Whether batches of like length would save much."""
        return self.most >= 2 * self.median


def lengths_of(texts: Sequence[Sequence[str]], model: str) -> Lengths:
    """Lengths of inputs.

    Args:
        texts: the columns of text, of the same length.
        model: as recipes name it; nothing is downloaded.
    """
    rows = list(zip(*texts, strict=True))
    sample = rows[:: max(1, len(rows) // _SAMPLE)]
    tokenizer = _tokenizer(model)
    if tokenizer is None:
        counts = [sum(map(words_in, row)) * _TOKENS_OF_A_WORD + _SPECIAL for row in sample]
        measure = (
            f"guessed from words, at {_TOKENS_OF_A_WORD} tokens each: the tokenizer of {model} "
            "is not on this machine"
        )
        return _lengths(counts, _MODEL_LIMIT, measure)
    encoded = tokenizer.encode([row[0] if len(row) == 1 else (row[0], row[1]) for row in sample])
    limit = min(tokenizer.model_max_length, _MODEL_LIMIT)
    return _lengths(
        [len(one.ids) for one in encoded], limit, f"counted by the tokenizer of {model}"
    )


def _lengths(counts: Sequence[float], limit: int, measure: str) -> Lengths:
    median, most = np.percentile(counts, [50, 99], method="higher")
    return Lengths(int(median), int(np.ceil(most)), limit, measure)


def _tokenizer(model: str) -> FastTokenizer | None:
    files = {}
    for name in (TOKENIZER, CONFIG):
        if (path := _file_of(model, name)) is not None:
            files[name] = path.read_bytes()
    with suppress(UnsupportedModelError):
        return FastTokenizer.read(files, None) if TOKENIZER in files else None
    return None


def _file_of(model: str, name: str) -> Path | None:
    with suppress(CheckpointError):
        path = Path(resolve_name(model)) / name
        if path.is_file():
            return path
    with suppress(ValueError):  # no name that a repository can have
        cached = try_to_load_from_cache(model, name)
        if isinstance(cached, str):
            return Path(cached)
    return None
