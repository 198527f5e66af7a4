"""Contexts cut into windows that a model takes, each with the question before or behind it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from fineprune.errors import DataError, RecipeError
from fineprune.text.tokenizer import Encoding, Tokenizer, starts_with_cls

QUESTION_TOKENS = 64
"""Longest question in tokens: `max_query_length` of the original SQuAD code."""

_BATCH = 64  # examples tokenized at once: a long context has dozens of windows


class Question(Protocol):
    """A question with the context to answer it from."""

    @property
    def question(self) -> str:
        """The question."""

    @property
    def context(self) -> str:
        """The context."""


AQuestion = TypeVar("AQuestion", bound=Question)


@dataclass(frozen=True)
class WindowShape:
    """How contexts are cut.

    Attributes:
        max_length: longest model input in tokens: question, special tokens and context.
        stride: tokens that neighbouring windows share. An answer of up to this many tokens
            stands whole in at least one window. (The first SQuAD code called the distance
            between the starts of two windows so.)
        question_tokens: longest question in tokens, more is cut off.
    """

    max_length: int
    stride: int
    question_tokens: int = QUESTION_TOKENS


@dataclass(frozen=True)
class ContextMap:
    """Where the tokens of each window stand in the contexts.

    Attributes:
        example: index of the window's example, shape `(windows,)`; never decreases.
        cls: position of the CLS token, shape `(windows,)`.
        offsets: half-open span of characters of each token in its context, shape
            `(windows, tokens, 2)`, int32; `(0, 0)` for every token that is not of the context
            and behind the end of shorter windows.
    """

    example: np.ndarray
    cls: np.ndarray
    offsets: np.ndarray


@dataclass(frozen=True)
class Windows:
    """A run of examples as model inputs.

    Attributes:
        inputs: the columns that the tokenizer's model takes, one row a window.
        map: where the tokens stand in the contexts; `map.example` counts from the first
            example of this run.
    """

    inputs: dict[str, list[list[int]]]
    map: ContextMap


def cut_windows(
    examples: Sequence[AQuestion], tokenizer: Tokenizer, shape: WindowShape
) -> Iterator[tuple[Sequence[AQuestion], Windows]]:
    """Tokenizes examples, some at a time to bound memory, in their order.

    The question comes first, except with a tokenizer that pads on the left: then it comes last.
    If such a tokenizer has its CLS token at the end as well, windows are padded here to
    `max_length`, because padding added later would shift the positions that labels and logits
    refer to.

    Raises:
        DataError: the tokenizer has no offsets (it is a slow one) or no CLS token.
        RecipeError: `max_length` exceeds what the tokenizer's model takes, or leaves no more
            than `stride` tokens for the context.
    """
    _check_tokenizer(tokenizer, shape)
    for first in range(0, len(examples), _BATCH):
        batch = examples[first : first + _BATCH]
        yield batch, _windows(batch, tokenizer, shape)


def join_maps(maps: Sequence[ContextMap]) -> ContextMap:
    """One map over the windows of all, padded to the longest window.

    `example` of the result counts through the examples of all maps.
    """
    counts = [int(part.example[-1]) + 1 for part in maps]
    first_example = np.cumsum([0, *counts[:-1]])
    windows = sum(len(part.offsets) for part in maps)
    tokens = max(part.offsets.shape[1] for part in maps)
    offsets = np.zeros((windows, tokens, 2), dtype=np.int32)
    row = 0
    for part in maps:
        offsets[row : row + len(part.offsets), : part.offsets.shape[1]] = part.offsets
        row += len(part.offsets)
    return ContextMap(
        np.concatenate([part.example + n for part, n in zip(maps, first_example, strict=True)]),
        np.concatenate([part.cls for part in maps]),
        offsets,
    )


def _check_tokenizer(tokenizer: Tokenizer, shape: WindowShape) -> None:
    name = type(tokenizer).__name__
    if not tokenizer.is_fast:
        raise DataError(
            f"the tokenizer {name} is a slow one, which does not say where in the text its tokens "
            f"are; question answering needs a fast one, with a tokenizer.json"
        )
    if tokenizer.cls_token_id is None:
        raise DataError(
            f"the tokenizer {name} has no CLS token, which stands for 'no answer in this "
            f"window'; question answering needs an encoder whose tokenizer has one"
        )
    if shape.max_length > tokenizer.model_max_length:
        raise RecipeError(
            f"task.max_length is {shape.max_length}, but this model takes at most "
            f"{tokenizer.model_max_length} tokens; lower it"
        )


def _windows(examples: Sequence[Question], tokenizer: Tokenizer, shape: WindowShape) -> Windows:
    question_first = tokenizer.padding_side == "right"
    questions = _clip_questions(
        [example.question for example in examples], tokenizer, shape.question_tokens
    )
    _check_room(questions, tokenizer, shape)
    contexts = [example.context for example in examples]
    encoding = tokenizer(
        *((questions, contexts) if question_first else (contexts, questions)),
        truncation="only_second" if question_first else "only_first",
        max_length=shape.max_length,
        stride=shape.stride,
        padding=False if question_first or starts_with_cls(tokenizer) else "max_length",
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    taken = [name for name in encoding if name in tokenizer.model_input_names]
    return Windows(
        {name: encoding[name] for name in taken},
        _context_map(encoding, int(question_first), tokenizer),
    )


def _clip_questions(questions: Sequence[str], tokenizer: Tokenizer, longest: int) -> list[str]:
    # Leading white space is stripped as well: some tokenizers make tokens of it.
    stripped = [question.lstrip() for question in questions]
    spans = _spans(stripped, tokenizer)
    return [
        _clipped(question, own, tokenizer, longest)
        for question, own in zip(stripped, spans, strict=True)
    ]


def _clipped(
    question: str, spans: Sequence[tuple[int, int]], tokenizer: Tokenizer, longest: int
) -> str:
    """The part of a question that has at most so many tokens when it stands alone."""
    for count in range(longest, 0, -1):
        kept = spans[-count:] if tokenizer.truncation_side == "left" else spans[:count]
        part = question[kept[0][0] : kept[-1][1]] if kept else ""
        # Half a character, as byte-level tokens are, becomes a whole one.
        if len(spans) <= longest or len(_spans([part], tokenizer)[0]) <= longest:
            return part
    return ""


def _spans(texts: Sequence[str], tokenizer: Tokenizer) -> list[Sequence[tuple[int, int]]]:
    encoding = tokenizer(
        texts, add_special_tokens=False, return_offsets_mapping=True, verbose=False
    )
    spans: list[Sequence[tuple[int, int]]] = encoding["offset_mapping"]
    return spans


def _check_room(questions: Sequence[str], tokenizer: Tokenizer, shape: WindowShape) -> None:
    ids = tokenizer(questions, add_special_tokens=False, verbose=False)["input_ids"]
    longest = max(len(question) for question in ids)
    special = tokenizer.num_special_tokens_to_add(pair=True)
    room = shape.max_length - longest - special
    if room <= shape.stride:
        raise RecipeError(
            f"task.max_length {shape.max_length} leaves {max(room, 0)} tokens for the context "
            f"beside a question of {longest} and {special} special tokens, no more than "
            f"task.stride {shape.stride}; raise max_length or lower stride"
        )


def _context_map(encoding: Encoding, context: int, tokenizer: Tokenizer) -> ContextMap:
    """Of `encoding`, in which the context is sequence number `context` of the pair."""
    ids, spans = encoding["input_ids"], encoding["offset_mapping"]
    offsets = np.zeros((len(ids), max(map(len, ids)), 2), dtype=np.int32)
    cls = np.zeros(len(ids), dtype=np.int64)
    for window, tokens in enumerate(ids):
        sequences = encoding.sequence_ids(window)
        cls[window] = _cls_position(tokens, sequences, tokenizer)
        if count := sequences.count(context):
            first = sequences.index(context)
            offsets[window, first : first + count] = spans[window][first : first + count]
    example = np.array(encoding["overflow_to_sample_mapping"], dtype=np.int64)
    return ContextMap(example, cls, offsets)


def _cls_position(
    tokens: Sequence[int], sequences: Sequence[int | None], tokenizer: Tokenizer
) -> int:
    # A token spelled out in the text has the same id, but belongs to a sequence.
    for position, (token, sequence) in enumerate(zip(tokens, sequences, strict=True)):
        if sequence is None and token == tokenizer.cls_token_id:
            return position
    raise DataError(
        f"the tokenizer {type(tokenizer).__name__} does not put its CLS token "
        f"{tokenizer.cls_token!r} into its inputs, and without it 'no answer' has no place"
    )
