"""Where in a context the answer to a question stands."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding

from fineprune.engine.errors import InputError, UnsupportedModelError
from fineprune.engine.heads.head import Floats
from fineprune.engine.tasks.task import Task, TaskSource, as_list, softmax
from fineprune.engine.tasks.text import TextModel
from fineprune.wording import quoted

Answer = dict[str, Any]

# Defaults of the pipeline `question-answering` of transformers 4.
_WINDOW_TOKENS = 384
_STRIDE = 128  # tokens that neighbouring windows share
_QUESTION_TOKENS = 64


@final
class QuestionAnswering(Task):
    """Extractive question answering.

    A context that is too long is cut into windows of at most 384 tokens, question and special
    tokens included, neighbours of which share 128.
    """

    def __init__(self, source: TaskSource) -> None:
        self._text = TextModel.of(source)
        window = min(_WINDOW_TOKENS, self._text.most_tokens)
        stride = min(_STRIDE, window // 2)
        special = self._text.tokenizer.num_special_tokens_to_add(is_pair=True)
        self._question_tokens = min(_QUESTION_TOKENS, window - stride - special - 1)
        if self._question_tokens < 1:
            raise UnsupportedModelError(
                f"the model takes {window} tokens, too few for a question and its context"
            )
        self._whole = copy.deepcopy(self._text.tokenizer)
        self._whole.no_truncation()
        self._text.tokenizer.enable_truncation(window, stride=stride, strategy="only_second")

    def __call__(
        self,
        question: str | list[str],
        context: str | list[str],
        *,
        top_k: int = 1,
        max_answer_len: int = 15,
        handle_impossible_answer: bool = False,
    ) -> Any:
        """Answers questions, as the pipeline `question-answering` of `transformers` 4 does.

        A span's score is the product of the probabilities of its start and of its end among the
        tokens of its window's context and the first special token, which stands for "no answer".
        Answers are widened to whole words; one that several windows find has its best score.

        Args:
            question: a question, or a list of questions.
            context: what to search: one text for all, or a list, one for each question.
            top_k: how many answers to return at most.
            max_answer_len: longest answer in tokens.
            handle_impossible_answer: whether the empty text is an answer too.

        Returns:
            For each question a dictionary with `answer`, `score`, `start` and `end`, where `answer`
            is `context[start:end]`; with `top_k` above 1, a list of such, best first.

        Raises:
            InputError: an input is no text or is empty, or the lists differ in length.
        """
        questions, single = as_list(question)
        contexts, shared = as_list(context)
        contexts = contexts * len(questions) if shared else contexts
        rules = _Rules(_positive("top_k", top_k), _positive("max_answer_len", max_answer_len))
        windows = list(self._windows(questions, contexts))
        logits = iter(self._text.values([window for group in windows for window in group]))
        results = []
        for text, group in zip(contexts, windows, strict=True):
            scored = [_Window.of(window, next(logits)) for window in group]
            best = _best_answers(text, scored, rules, impossible=handle_impossible_answer)
            results.append(best if top_k > 1 else best[0])
        return results[0] if single else results

    def _windows(
        self, questions: Sequence[str], contexts: Sequence[str]
    ) -> Iterator[list[Encoding]]:
        """The encodings of each question with its context."""
        if len(questions) != len(contexts):
            raise InputError(f"there are {len(questions)} questions and {len(contexts)} contexts")
        for name, texts in (("question", questions), ("context", contexts)):
            for text in texts:
                if not isinstance(text, str) or not text.strip():
                    raise InputError(f"the {name} is {quoted(text)}; expected a text")
        pairs = [
            (self._cut(question.strip()), context)
            for question, context in zip(questions, contexts, strict=True)
        ]
        for encoding in self._text.encode(pairs, pairs=True):
            yield [encoding, *encoding.overflowing]

    def _cut(self, question: str) -> str:
        """The question's first tokens, as many as there is room for."""
        spans = self._whole.encode(question, add_special_tokens=False).offsets
        return question[: spans[: self._question_tokens][-1][1]] if spans else question


@dataclass(frozen=True)
class _Rules:
    count: int
    longest: int


@dataclass(frozen=True, eq=False)
class _Window:
    """A window's probabilities.

    Attributes:
        encoding: its tokens; sequence 1 is the context.
        start: of an answer to start at each token; zero outside of the context.
        end: of an answer to end there.
        null: of there being no answer.
    """

    encoding: Encoding
    start: Floats
    end: Floats
    null: float

    @classmethod
    def of(cls, encoding: Encoding, logits: Floats) -> "_Window":
        """From logits of shape `(tokens, 2)`."""
        context = np.array([sequence == 1 for sequence in encoding.sequence_ids])
        possible = context.copy()
        possible[0] = True  # the first special token
        start, end = softmax(np.where(possible, logits.T, -np.inf))
        null = float(start[0] * end[0])
        return cls(encoding, np.where(context, start, 0), np.where(context, end, 0), null)

    def spans(self, rules: _Rules) -> Iterator[tuple[int, int, float]]:
        """First and last token and score of the best spans, best first."""
        longest = min(rules.longest, len(self.end))
        padded = np.concatenate([self.end, np.zeros(longest - 1, self.end.dtype)])
        # scores[first, extra] is that of the span from `first` to `first + extra`.
        scores = self.start[:, None] * np.lib.stride_tricks.sliding_window_view(padded, longest)
        for flat in _places_of_largest(scores.ravel(), rules.count):
            first, extra = divmod(flat, longest)
            if scores[first, extra] > 0:
                yield first, first + extra, float(scores[first, extra])

    def characters(self, first: int, last: int) -> tuple[int, int]:
        """Span of the context that two tokens and the rest of their words take."""
        words: NDArray[Any] = np.array(
            [
                -1 if sequence != 1 or word is None else word
                for sequence, word in zip(
                    self.encoding.sequence_ids, self.encoding.word_ids, strict=True
                )
            ]
        )
        if words[first] >= 0 and words[last] >= 0:
            first = int(np.flatnonzero(words == words[first])[0])
            last = int(np.flatnonzero(words == words[last])[-1])
        return self.encoding.offsets[first][0], self.encoding.offsets[last][1]


def _places_of_largest(scores: Floats, count: int) -> list[int]:
    """Places of the largest scores, the largest first, of equal ones the first."""
    if count == 1:
        return [int(scores.argmax())]
    candidates = np.arange(len(scores))
    if count < len(scores):
        least = np.partition(scores, -count)[-count]
        candidates = np.flatnonzero(scores >= least)
    order: list[int] = candidates[np.argsort(-scores[candidates], kind="stable")][:count].tolist()
    return order


def _best_answers(
    context: str, windows: Sequence[_Window], rules: _Rules, *, impossible: bool
) -> list[Answer]:
    """The best different answers of all windows, best first."""
    scores: dict[tuple[int, int], float] = {}
    for window in windows:
        for first, last, score in window.spans(rules):
            span = _without_spaces(context, *window.characters(first, last))
            if span[0] < span[1]:
                scores[span] = max(score, scores.get(span, 0.0))
    if impossible or not scores:
        scores[0, 0] = min(window.null for window in windows)
    ranked = sorted(scores.items(), key=lambda item: -item[1])[: rules.count]
    return [
        {"answer": context[start:end], "score": score, "start": start, "end": end}
        for (start, end), score in ranked
    ]


def _without_spaces(context: str, start: int, end: int) -> tuple[int, int]:
    # Tokens of some tokenizers begin with the space before their word, or are nothing else.
    text = context[start:end]
    start += len(text) - len(text.lstrip())
    return start, start + len(text.strip())


def _positive(name: str, value: int) -> int:
    if not isinstance(value, int) or value < 1:
        raise InputError(f"{name} is {value!r}; expected a whole number of at least 1")
    return value
