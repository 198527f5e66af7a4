"""A class for each token, or entities of several tokens."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Literal, final

import numpy as np
from tokenizers import Encoding

from fineprune.engine.errors import InputError
from fineprune.engine.heads.head import Floats
from fineprune.engine.tasks.pieces import pieces_of
from fineprune.engine.tasks.task import Task, TaskSource, as_list, softmax
from fineprune.engine.tasks.text import TextModel
from fineprune.text.characters import without_surrogates
from fineprune.text.files import read_object
from fineprune.text.settings import CONFIG
from fineprune.wording import listed

Aggregation = Literal["none", "simple"]
Entity = dict[str, Any]

_AGGREGATIONS: tuple[Aggregation, ...] = ("none", "simple")


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
        self._unknown = unknown.get("content") if isinstance(unknown, dict) else unknown

    def __call__(
        self,
        texts: str | list[str],
        *,
        aggregation_strategy: Aggregation = "none",
        ignore_labels: Sequence[str] = ("O",),
    ) -> Any:
        """Classifies tokens, as the pipeline `token-classification` of `transformers` does.

        Args:
            texts: a text, or a list of texts, of any length.
            aggregation_strategy: `"none"` for tokens; `"simple"` for runs of tokens of one class,
                a label that starts with `B-` beginning a new one.
            ignore_labels: classes to leave out.

        Returns:
            For each text a list of dictionaries with `entity`, `score`, `index`, `word`, `start`,
            and `end`; if aggregated, `entity_group` for `entity`, and no `index`.

        Raises:
            InputError: an input is no text, or there is no such strategy.
        """
        if aggregation_strategy not in _AGGREGATIONS:
            raise InputError(
                f"aggregation_strategy is {aggregation_strategy!r}; "
                f"expected one of {listed(_AGGREGATIONS)}"
            )
        batch, single = as_list(texts)
        encodings = self._text.encode(batch, whole=True)
        answers = [
            self._answer(list(self._entities(*parts)), aggregation_strategy, ignore_labels)
            for parts in zip(batch, encodings, self._logits(encodings), strict=True)
        ]
        return answers[0] if single else answers

    def _logits(self, encodings: Sequence[Encoding]) -> Iterator[Floats]:
        """Logits of shape `(tokens, classes)` for each text; those of special tokens mean nothing.

        Of a short text they are what the model says; of others they are put together.
        """
        pieces = [pieces_of(encoding, self._text.limit.tokens) for encoding in encodings]
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

    def _answer(
        self, entities: list[Entity], strategy: Aggregation, ignored: Sequence[str]
    ) -> list[Entity]:
        key = "entity"
        if strategy == "simple":
            entities, key = self._grouped(entities), "entity_group"
        return [entity for entity in entities if entity[key] not in ignored]

    def _entities(self, text: str, encoding: Encoding, logits: Floats) -> Iterator[Entity]:
        scores = softmax(logits)
        labels = self._config.labels(scores.shape[1])
        for index, special in enumerate(encoding.special_tokens_mask):
            if special:
                continue
            start, end = encoding.offsets[index]
            word = encoding.tokens[index]
            best = int(scores[index].argmax())
            yield {
                "entity": labels[best],
                "score": float(scores[index, best]),
                "index": index,
                "word": without_surrogates(text[start:end]) if word == self._unknown else word,
                "start": start,
                "end": end,
            }

    def _grouped(self, entities: Sequence[Entity]) -> list[Entity]:
        runs = groupby(zip(_run_numbers(entities), entities, strict=True), key=lambda pair: pair[0])
        return [self._group([entity for _, entity in run]) for _, run in runs]

    def _group(self, run: list[Entity]) -> Entity:
        words = [entity["word"] for entity in run]
        decoder = self._text.tokenizer.decoder
        return {
            "entity_group": _tag(run[0]["entity"]),
            "score": float(np.mean([entity["score"] for entity in run])),
            "word": decoder.decode(words) if decoder is not None else " ".join(words),
            "start": run[0]["start"],
            "end": run[-1]["end"],
        }


def _tag(label: str) -> str:
    """A label without its mark of beginning or inside."""
    return label[2:] if label.startswith(("B-", "I-")) else label


def _run_numbers(entities: Sequence[Entity]) -> list[int]:
    """For each entity, the number of the run of one class that it belongs to."""
    labels = [entity["entity"] for entity in entities]
    begins = [
        previous is None or label.startswith("B-") or _tag(label) != _tag(previous)
        for previous, label in zip([None, *labels], labels, strict=False)
    ]
    return [int(number) for number in np.cumsum(begins)]
