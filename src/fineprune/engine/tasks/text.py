"""Texts to token ids, with the tokenizer that a packed file carries."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tokenizers import Encoding, Tokenizer

from fineprune.engine.errors import InputError, UnsupportedModelError
from fineprune.engine.heads.head import Floats
from fineprune.engine.tasks.task import TaskSource
from fineprune.wording import quoted

_TOKENIZER = "tokenizer.json"
# Files that may say how long a sequence is at most, and their key for it.
_LENGTHS = {
    "tokenizer_config.json": "model_max_length",
    "sentence_bert_config.json": "max_seq_length",
}

Text = str | tuple[str, str]


@dataclass(frozen=True, eq=False)
class TextModel:
    """A model that takes texts.

    Attributes:
        source: the model.
        tokenizer: cuts texts to what the model takes, and does not pad.
        most_tokens: that, special tokens counted.
    """

    source: TaskSource
    tokenizer: Tokenizer
    most_tokens: int

    @classmethod
    def of(cls, source: TaskSource) -> "TextModel":
        """Reads the tokenizer.

        Raises:
            InputError: the file has none.
            UnsupportedModelError: it is none that this version of tokenizers can read.
        """
        if _TOKENIZER not in source.attachments:
            raise InputError(
                f"the packed file has no {_TOKENIZER}: pass token ids to Engine.run, or save a "
                "fast tokenizer into the model's folder and pack it again"
            )
        try:
            tokenizer = Tokenizer.from_str(source.attachments[_TOKENIZER].decode("utf-8"))
        except Exception as error:  # tokenizers raises nothing more specific
            raise UnsupportedModelError(f"{_TOKENIZER} in the file: {quoted(error)}") from error
        tokenizer.no_padding()
        most_tokens = _most_tokens(source)
        tokenizer.enable_truncation(most_tokens)
        return cls(source, tokenizer, most_tokens)

    def encode(self, texts: Sequence[Text], *, pairs: bool = False) -> list[Encoding]:
        """Encodings of texts, cut to what the model takes.

        Args:
            texts: each a string.
            pairs: whether each may be a tuple of two strings as well.

        Raises:
            InputError: one is no text, or has no tokens.
        """
        for text in texts:
            _check_text(text, pairs=pairs)
        encodings: list[Encoding] = self.tokenizer.encode_batch(list(texts))
        for text, encoding in zip(texts, encodings, strict=True):
            if not encoding.ids:
                raise InputError(f"the text {quoted(text)} has no tokens")
        return encodings

    def values(self, encodings: Sequence[Encoding]) -> list[Floats]:
        """What the model's head says to each encoding."""
        return self.source.model.values(
            [encoding.ids for encoding in encodings],
            [encoding.type_ids for encoding in encodings],
        )


def _most_tokens(source: TaskSource) -> int:
    lengths = [source.model.rules.most_tokens]
    for name, key in _LENGTHS.items():
        length = attached_json(source.attachments, name).get(key)
        if isinstance(length, int) and length > 0:
            lengths.append(length)
    return min(lengths)


def attached_json(attachments: Mapping[str, bytes], name: str) -> dict[str, Any]:
    """Content of an attached JSON object; empty where there is none, or it is something else."""
    try:
        content = json.loads(attachments.get(name, b"{}"))
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _check_text(text: Any, *, pairs: bool) -> None:
    pair = pairs and isinstance(text, tuple) and len(text) == 2
    if not all(isinstance(part, str) for part in (text if pair else (text,))):
        expected = "a string, or a pair of strings" if pairs else "a string"
        raise InputError(f"{quoted(text)} is no text; expected {expected}")
