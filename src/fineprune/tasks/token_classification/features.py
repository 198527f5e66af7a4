"""Texts to windows of tokens: what training and evaluation have in common."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from datasets import Dataset
from tokenizers import Encoding

from fineprune.errors import DataError, RecipeError
from fineprune.tasks.token_classification.examples import Example
from fineprune.tasks.token_classification.tags import OUTSIDE, Span
from fineprune.text.entities import Token, tokens_of, words_of
from fineprune.text.fast import FastTokenizer
from fineprune.text.pieces import Piece, pieces_of
from fineprune.text.tokenizer import Tokenizer
from fineprune.text.windows import WindowShape

IGNORED = -100
"""The label of tokens that have none, by the convention of PyTorch and transformers."""

_BATCH = 256  # texts tokenized at once


@dataclass(frozen=True, eq=False)
class Windowed:
    """A text as model inputs.

    Attributes:
        example: the text.
        encoding: of all of it.
        pieces: windows of that.
    """

    example: Example
    encoding: Encoding
    pieces: list[Piece]

    def words(self, tokenizer: FastTokenizer) -> list[list[Token]]:
        """The words of the text; scores of their tokens mean nothing."""
        nothing = np.zeros((len(self.encoding.ids), 1), np.float32)
        return list(words_of(tokens_of(self.example.text, self.encoding, nothing, tokenizer)))


def windowed(
    examples: Sequence[Example], tokenizer: FastTokenizer, shape: WindowShape
) -> Iterator[Windowed]:
    """Texts cut into windows, in their order.

    Args:
        examples: the texts.
        tokenizer: of the model.
        shape: of the windows.
    """
    for first in range(0, len(examples), _BATCH):
        batch = examples[first : first + _BATCH]
        encodings = tokenizer.encode([one.text for one in batch])
        for example, encoding in zip(batch, encodings, strict=True):
            yield Windowed(example, encoding, pieces_of(encoding, shape.max_length, shape.stride))


def fast(tokenizer: Tokenizer, shape: WindowShape) -> FastTokenizer:
    """The tokenizer, if it can say where in a text its tokens stand, and takes such windows.

    Raises:
        DataError: it is a slow one.
        RecipeError: windows are longer than its model takes, or no longer than what they share.
    """
    if not isinstance(tokenizer, FastTokenizer):
        raise DataError(
            f"the tokenizer {type(tokenizer).__name__} is a slow one, which does not say where in "
            f"the text its tokens are; token classification needs a fast one, with a tokenizer.json"
        )
    if shape.max_length > tokenizer.model_max_length:
        raise RecipeError(
            f"task.max_length is {shape.max_length}, but this model takes at most "
            f"{tokenizer.model_max_length} tokens; lower it"
        )
    special = tokenizer.num_special_tokens_to_add(pair=False)
    room = max(shape.max_length - special, 0)
    if room <= shape.stride:
        raise RecipeError(
            f"task.max_length {shape.max_length} leaves {room} tokens "
            f"for the text beside {special} special ones, no more than task.stride {shape.stride}; "
            f"raise max_length or lower stride"
        )
    return tokenizer


def inputs(texts: Sequence[Windowed], tokenizer: FastTokenizer) -> Dataset:
    """The columns that the model takes, one row a window."""
    rows = [(one.encoding, piece.places) for one in texts for piece in one.pieces]
    columns = {
        "input_ids": [[encoding.ids[place] for place in places] for encoding, places in rows]
    }
    if "token_type_ids" in tokenizer.model_input_names:
        columns["token_type_ids"] = [
            [encoding.type_ids[place] for place in places] for encoding, places in rows
        ]
    columns["attention_mask"] = [[1] * len(places) for _, places in rows]
    return Dataset.from_dict(columns)


def token_labels(one: Windowed, places: dict[str, int], tokenizer: FastTokenizer) -> list[int]:
    """For each token of a text the label of the word that it begins; none of the others has one.

    Args:
        one: the text.
        places: of the labels in the model's output.
        tokenizer: of the model.
    """
    labels = [IGNORED] * len(one.encoding.ids)
    before: Span | None = None
    for word in one.words(tokenizer):
        entity = entity_at(one.example.entities, word[0].start, word[-1].end)
        prefix = "I" if entity is before else "B"
        labels[word[0].index] = places[OUTSIDE if entity is None else f"{prefix}-{entity.kind}"]
        before = entity
    return labels


def whole_words(one: Windowed, tokenizer: FastTokenizer) -> tuple[Span, ...]:
    """The entities of a text, each from the beginning of its first word to the end of its last.

    One that has no word of its own, because another one has that, is none.
    """
    found: list[tuple[Span, Span]] = []
    for word in one.words(tokenizer):
        start, end = word[0].start, word[-1].end
        entity = entity_at(one.example.entities, start, end)
        if entity is None:
            continue
        if found and found[-1][0] is entity:
            found[-1] = entity, found[-1][1]._replace(end=end)
        else:
            found.append((entity, Span(start, end, entity.kind)))
    return tuple(span for _, span in found)


def entity_at(entities: Sequence[Span], start: int, end: int) -> Span | None:
    """The first entity that has characters in common with a word."""
    return next((one for one in entities if one.start < end and start < one.end), None)
