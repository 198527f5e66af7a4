"""From what is said of tokens to entities: of tokens, of words, or of runs of either."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding

from fineprune.text.characters import without_surrogates
from fineprune.text.fast import FastTokenizer

Floats = NDArray[np.float32]

Aggregation = Literal["none", "simple", "first", "average", "max"]
AGGREGATIONS: tuple[Aggregation, ...] = ("none", "simple", "first", "average", "max")

Entity = dict[str, Any]
Join = Callable[[list[str]], str]
"""Makes a text of tokens."""


@dataclass(frozen=True, eq=False)
class Token:
    """What is said of a token.

    Attributes:
        word: the token, or the text that it stands for where it is the unknown one.
        scores: probabilities of shape `(classes,)`.
        index: its place in the encoding.
        start: index of its first character in the text.
        end: index behind its last character.
        continues: whether it goes on with the word before it.
    """

    word: str
    scores: Floats
    index: int
    start: int
    end: int
    continues: bool


def tokens_of(
    text: str, encoding: Encoding, logits: Floats, tokenizer: FastTokenizer
) -> list[Token]:
    """The tokens of a text, special ones left out.

    Args:
        text: it.
        encoding: of all of it.
        logits: of shape `(tokens, classes)`, special tokens counted.
        tokenizer: that made the encoding.
    """
    with np.errstate(invalid="ignore"):  # of infinite logits: NaN says enough
        weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    scores = weights / weights.sum(axis=-1, keepdims=True)
    return [
        _token(text, encoding, index, scores[index], tokenizer)
        for index, special in enumerate(encoding.special_tokens_mask)
        if not special
    ]


def words_of(tokens: Iterable[Token]) -> Iterator[list[Token]]:
    """Words: a token that does not go on with the one before it begins a new one."""
    word: list[Token] = []
    for token in tokens:
        if word and not token.continues:
            yield word
            word = []
        word.append(token)
    if word:
        yield word


def entities_of(
    tokens: Sequence[Token], labels: Sequence[str], strategy: Aggregation, join: Join
) -> list[Entity]:
    """Entities, as the pipeline `token-classification` of transformers makes them.

    Args:
        tokens: of a text, in their order.
        labels: names of the classes.
        strategy: `"none"` for tokens; `"simple"` for runs of tokens of one class; the others for
            runs of words, whose scores are those of the first token, the average, or those of the
            token with the largest one.
        join: of the tokenizer.
    """
    if strategy == "none":
        return [{**_named(one.scores, labels), "index": one.index, **_place(one)} for one in tokens]
    if strategy == "simple":
        pieces = [{**_named(one.scores, labels), **_place(one)} for one in tokens]
    else:
        score = _OF_WORDS[strategy]
        pieces = [
            {
                **_named(score([one.scores for one in word]), labels),
                "word": join([one.word for one in word]),
                "start": word[0].start,
                "end": word[-1].end,
            }
            for word in words_of(tokens)
        ]
    return [_group(run, join) for run in _runs(pieces)]


def _first(scores: Sequence[Floats]) -> Floats:
    return scores[0]


def _average(scores: Sequence[Floats]) -> Floats:
    mean: Floats = np.mean(scores, axis=0)
    return mean


def _largest(scores: Sequence[Floats]) -> Floats:
    return max(scores, key=lambda one: float(one.max()))


_OF_WORDS: Mapping[str, Callable[[Sequence[Floats]], Floats]] = {
    "first": _first,
    "average": _average,
    "max": _largest,
}


def _named(scores: Floats, labels: Sequence[str]) -> Entity:
    best = int(scores.argmax())
    return {"entity": labels[best], "score": float(scores[best])}


def _place(token: Token) -> Entity:
    return {"word": token.word, "start": token.start, "end": token.end}


def _token(
    text: str, encoding: Encoding, index: int, scores: Floats, tokenizer: FastTokenizer
) -> Token:
    start, end = encoding.offsets[index]
    word, own = encoding.tokens[index], without_surrogates(text[start:end])
    if encoding.ids[index] == tokenizer.unk_token_id:
        return Token(own, scores, index, start, end, continues=False)
    continues = (
        len(word) != len(own)
        if tokenizer.marks_continuations
        else start > 0 and " " not in text[start - 1 : start + 1]
    )
    return Token(word, scores, index, start, end, continues)


def _runs(pieces: Sequence[Entity]) -> Iterator[list[Entity]]:
    """Neighbours of one class; a label that starts with `B-` begins a new run."""
    labels = [piece["entity"] for piece in pieces]
    begins = [
        previous is None or label.startswith("B-") or _tag(label) != _tag(previous)
        for previous, label in zip([None, *labels], labels, strict=False)
    ]
    numbered = zip(np.cumsum(begins).tolist(), pieces, strict=True)
    for _, run in groupby(numbered, key=lambda pair: pair[0]):
        yield [piece for _, piece in run]


def _tag(label: str) -> str:
    """A label without its mark of beginning or inside."""
    return label[2:] if label.startswith(("B-", "I-")) else label


def _group(run: Sequence[Entity], join: Join) -> Entity:
    return {
        "entity_group": run[0]["entity"].split("-", 1)[-1],
        "score": float(np.mean([piece["score"] for piece in run])),
        "word": join([piece["word"] for piece in run]),
        "start": run[0]["start"],
        "end": run[-1]["end"],
    }
