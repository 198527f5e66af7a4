"""A class for each token, or entities of several tokens."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, final

import numpy as np
from tokenizers import Encoding

from fineprune.engine.errors import InputError
from fineprune.engine.heads.head import Floats
from fineprune.engine.tasks.entities import (
    AGGREGATIONS,
    Aggregation,
    Entity,
    Token,
    entities_of,
)
from fineprune.engine.tasks.pieces import pieces_of, shared_tokens
from fineprune.engine.tasks.task import Task, TaskSource, as_list, softmax
from fineprune.engine.tasks.text import TextModel
from fineprune.text.characters import without_surrogates
from fineprune.text.files import read_object
from fineprune.text.settings import CONFIG
from fineprune.wording import listed, quoted


@final
class TokenClassification(Task):
    """Entities in texts.

    A text that is too long for the model is cut into windows that overlap by a quarter; what is
    said of a token comes from the window that has most of the text on both sides of it.
    """

    def __init__(self, source: TaskSource) -> None:
        self._text = TextModel.of(source)
        self.limit = self._text.limit
        self._config = source.config
        unknown = read_object(source.attachments, CONFIG).get("unk_token")
        unknown = unknown.get("content") if isinstance(unknown, dict) else unknown
        tokenizer = self._text.tokenizer
        self._unknown = tokenizer.number_of(unknown) if isinstance(unknown, str) else None
        self._marks_continuations = tokenizer.marks_continuations

    def __call__(
        self,
        texts: str | list[str],
        *,
        aggregation_strategy: Aggregation = "none",
        ignore_labels: Sequence[str] = ("O",),
        stride: int | None = None,
    ) -> Any:
        """Classifies tokens, as the pipeline `token-classification` of `transformers` does.

        Args:
            texts: a text, or a list of texts, of any length.
            aggregation_strategy: `"none"` for tokens; `"simple"` for runs of tokens of one class,
                a label that starts with `B-` beginning a new one; `"first"`, `"average"` and
                `"max"` for runs of words, each with the class of its first token, of the average
                over its tokens, or of its most certain one.
            ignore_labels: classes to leave out.
            stride: how many tokens neighbouring windows of a long text share; a quarter of a
                window if None.

        Returns:
            For each text a list of dictionaries with `entity`, `score`, `index`, `word`, `start`,
            and `end`; if aggregated, `entity_group` for `entity`, and no `index`.

        Raises:
            InputError: an input is no text, there is no such strategy, or windows cannot share so
                many tokens.
        """
        if aggregation_strategy not in AGGREGATIONS:
            raise InputError(
                f"aggregation_strategy is {quoted(aggregation_strategy)}; "
                f"expected one of {listed(AGGREGATIONS)}"
            )
        ignored = _labels(ignore_labels)
        if stride is not None:  # whether or not a text is long enough for windows
            special = self._text.tokenizer.num_special_tokens_to_add(pair=False)
            shared_tokens(self.limit.tokens, special, stride)
        batch, single = as_list(texts)
        encodings = self._text.encode(batch, whole=True)
        key = "entity" if aggregation_strategy == "none" else "entity_group"
        answers = [
            [
                entity
                for entity in self._entities(*parts, aggregation_strategy)
                if entity[key] not in ignored
            ]
            for parts in zip(batch, encodings, self._logits(encodings, stride), strict=True)
        ]
        return answers[0] if single else answers

    def _logits(self, encodings: Sequence[Encoding], stride: int | None) -> Iterator[Floats]:
        """Logits of shape `(tokens, classes)` for each text; those of special tokens mean nothing.

        Of a short text they are what the model says; of others they are put together.
        """
        longest = self._text.limit.tokens
        pieces = [pieces_of(encoding, longest, stride) for encoding in encodings]
        types = [self._text.tokenizer.types(encoding) for encoding in encodings]
        said = iter(
            self._text.source.model.values(
                [
                    [encoding.ids[place] for place in piece.places]
                    for encoding, group in zip(encodings, pieces, strict=True)
                    for piece in group
                ],
                [
                    [own[place] for place in piece.places]
                    for own, group in zip(types, pieces, strict=True)
                    for piece in group
                ],
            )
        )
        for encoding, group in zip(encodings, pieces, strict=True):
            parts = [next(said) for _ in group]
            logits = np.zeros((len(encoding.ids), parts[0].shape[1]), np.float32)
            for piece, values in zip(group, parts, strict=True):
                logits[piece.places[piece.best]] = values[piece.best]
            yield logits

    def _entities(
        self, text: str, encoding: Encoding, logits: Floats, strategy: Aggregation
    ) -> list[Entity]:
        scores = softmax(logits)
        tokens = [
            self._token(text, encoding, index, scores[index])
            for index, special in enumerate(encoding.special_tokens_mask)
            if not special
        ]
        labels = self._config.labels(scores.shape[1])
        return entities_of(tokens, labels, strategy, self._text.tokenizer.join)

    def _token(self, text: str, encoding: Encoding, index: int, scores: Floats) -> Token:
        start, end = encoding.offsets[index]
        word, own = encoding.tokens[index], without_surrogates(text[start:end])
        if encoding.ids[index] == self._unknown:
            return Token(own, scores, index, start, end, continues=False)
        continues = (
            len(word) != len(own)
            if self._marks_continuations
            else start > 0 and " " not in text[start - 1 : start + 1]
        )
        return Token(word, scores, index, start, end, continues)


def _labels(names: Any) -> list[str]:
    """Names of classes.

    Raises:
        InputError: they are none.
    """
    named = [names] if isinstance(names, str) else names
    if not isinstance(named, Iterable) or not all(isinstance(name, str) for name in named):
        raise InputError(f"ignore_labels is {quoted(names)}; expected a list of labels")
    return list(named)
