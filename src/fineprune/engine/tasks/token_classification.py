"""A class for each token, or entities of several tokens."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, final

from tokenizers import Encoding

from fineprune.engine.errors import InputError
from fineprune.engine.heads.head import Floats
from fineprune.engine.tasks.task import Task, TaskSource, as_list
from fineprune.engine.tasks.text import TextModel
from fineprune.text.entities import (
    AGGREGATIONS,
    Aggregation,
    Entity,
    entities_of,
    tokens_of,
)
from fineprune.text.pieces import joined, pieces_of, room_for_text
from fineprune.wording import listed, quoted

_KIND = "token-classification"
_TRAINED: Aggregation = "first"  # of the tokens of a word, recipes train the first


@final
class TokenClassification(Task):
    """Entities in texts.

    A text that is too long for the model is cut into windows that overlap by a quarter; what is
    said of a token comes from the window that has most of the text on both sides of it. A model
    that was trained by a recipe has the recipe's windows, and finds words by their first tokens,
    which are what it was trained on.
    """

    def __init__(self, source: TaskSource) -> None:
        self._text = TextModel.of(source, _KIND)
        self.limit = self._text.limit
        self._config = source.config

    def __call__(
        self,
        texts: str | list[str],
        *,
        aggregation_strategy: Aggregation | None = None,
        ignore_labels: Sequence[str] = ("O",),
        stride: int | None = None,
    ) -> Any:
        """Classifies tokens, as the pipeline `token-classification` of `transformers` does.

        Args:
            texts: a text, or a list of texts, of any length.
            aggregation_strategy: `"none"` for tokens; `"simple"` for runs of tokens of one class,
                a label that starts with `B-` beginning a new one; `"first"`, `"average"` and
                `"max"` for runs of words, each with the class of its first token, of the average
                over its tokens, or of its most certain one. Without, `"first"` for a model that was
                trained by a recipe, else `"none"`.
            ignore_labels: classes to leave out.
            stride: how many tokens neighbouring windows of a long text share; without, as the model
                was trained, else a quarter of a window.

        Returns:
            For each text a list of dictionaries with `entity`, `score`, `index`, `word`, `start`,
            and `end`; if aggregated, `entity_group` for `entity`, and no `index`.

        Raises:
            InputError: an input is no text, there is no such strategy, or windows cannot share so
                many tokens.
        """
        strategy = self.strategy(aggregation_strategy)
        ignored = _labels(ignore_labels)
        shared = self._shared(stride)
        batch, single = as_list(texts)
        encodings = self._text.encode(batch, whole=True)
        key = "entity" if strategy == "none" else "entity_group"
        answers = [
            [entity for entity in self._entities(*parts, strategy) if entity[key] not in ignored]
            for parts in zip(batch, encodings, self._logits(encodings, shared), strict=True)
        ]
        return answers[0] if single else answers

    def strategy(self, asked: Aggregation | None) -> Aggregation:
        """What runs of tokens become, if a call asks for this.

        Raises:
            InputError: there is no such strategy.
        """
        if asked is None:
            return "none" if self._text.trained.kind is None else _TRAINED
        if asked not in AGGREGATIONS:
            raise InputError(
                f"aggregation_strategy is {quoted(asked)}; expected one of {listed(AGGREGATIONS)}"
            )
        return asked

    def _shared(self, stride: int | None) -> int | None:
        """How many tokens windows share, if a call asks for this."""
        if stride is None:
            return self._text.trained.stride
        special = self._text.tokenizer.num_special_tokens_to_add(pair=False)
        room = room_for_text(self.limit.tokens, special)
        if not isinstance(stride, int) or isinstance(stride, bool) or not 0 <= stride < room:
            raise InputError(
                f"stride is {quoted(stride)}; expected a whole number, 0 to {room - 1}"
            )
        return stride

    def _logits(self, encodings: Sequence[Encoding], shared: int | None) -> Iterator[Floats]:
        """Logits of shape `(tokens, classes)` for each text; those of special tokens mean nothing.

        Of a short text they are what the model says; of others they are put together.
        """
        longest = self._text.limit.tokens
        pieces = [pieces_of(encoding, longest, shared) for encoding in encodings]
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
            yield joined(group, [next(said) for _ in group], len(encoding.ids))

    def _entities(
        self, text: str, encoding: Encoding, logits: Floats, strategy: Aggregation
    ) -> list[Entity]:
        tokenizer = self._text.tokenizer
        tokens = tokens_of(text, encoding, logits, tokenizer)
        return entities_of(tokens, self._config.labels(logits.shape[1]), strategy, tokenizer.join)


def _labels(names: Any) -> list[str]:
    """Names of classes.

    Raises:
        InputError: they are none.
    """
    named = [names] if isinstance(names, str) else names
    if not isinstance(named, Iterable) or not all(isinstance(name, str) for name in named):
        raise InputError(f"ignore_labels is {quoted(names)}; expected a list of labels")
    return list(named)
