"""Where in a context the answer to a question stands."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from fineprune.engine.errors import InputError, UnsupportedModelError
from fineprune.engine.heads.head import Floats
from fineprune.engine.tasks.task import Task, TaskSource, as_list, positive
from fineprune.engine.tasks.text import TextModel, check_text
from fineprune.errors import RecipeError
from fineprune.text.answers import AnswerRules, Prediction, ScoredAnswer, predict_answers
from fineprune.text.windows import QUESTION_TOKENS, Windows, WindowShape, cut_windows
from fineprune.wording import quoted

Answer = dict[str, Any]

# Of a model without a recipe: those of the pipeline `question-answering` of transformers 4.
_WINDOW_TOKENS = 384
_STRIDE = 128
_LONGEST_ANSWER = 15
_N_BEST = 20  # and that of the original SQuAD code

_KIND = "question-answering"


@dataclass(frozen=True, slots=True)
class _Question:
    question: str
    context: str


@final
class QuestionAnswering(Task):
    """Extractive question answering, as `fineprune evaluate` does it.

    A context that is too long is cut into windows that overlap: as long as in the recipe that the
    model was trained with, else of 384 tokens, question and special tokens included, neighbours of
    which share 128. The longest answer, and whether there may be none, are the recipe's as well.
    """

    def __init__(self, source: TaskSource) -> None:
        self._text = TextModel.of(source, _KIND)
        self.limit = self._text.limit
        self._shape = _shape(self._text)
        self._trained = self._text.trained
        if self._text.tokenizer.cls_token_id is None:
            raise UnsupportedModelError(
                "the tokenizer has no CLS token, which stands for 'no answer in this window'; "
                "name it as cls_token in tokenizer_config.json and pack the model again"
            )

    def __call__(
        self,
        question: str | list[str],
        context: str | list[str],
        *,
        top_k: int = 1,
        max_answer_len: int | None = None,
        handle_impossible_answer: bool | None = None,
        null_threshold: float | None = None,
        doc_stride: int | None = None,
        max_seq_len: int | None = None,
        max_question_len: int | None = None,
    ) -> Any:
        """Answers questions.

        Spans are ranked by the sum of their start and end logit over all windows, as the original
        SQuAD code does; a span's score is its probability among the best 20 (or `n_best` of the
        recipe), "no answer" among them if it is allowed.

        Args:
            question: a question, or a list of questions.
            context: what to search: one text for all, or a list, one for each question.
            top_k: how many answers to return at most.
            max_answer_len: longest answer in tokens; without, as the model was trained, else 15.
            handle_impossible_answer: whether the empty text is an answer too; without, as the
                model was trained.
            null_threshold: by how much "no answer" has to score better than the best answer to be
                the answer; without, as the model was trained, else 0.
            doc_stride: how many tokens neighbouring windows share; without, as the model was
                trained, else 128.
            max_seq_len: longest window in tokens, question and special tokens counted; without, as
                the model was trained, else 384.
            max_question_len: longest question in tokens, more is cut off; without, 64.

        Returns:
            For each question a dictionary with `answer`, `score`, `start` and `end`, where `answer`
            is `context[start:end]`, and empty where there is none; with `top_k` above 1, a list of
            such, best first.

        Raises:
            InputError: an input is no text, the lists differ in length, or an option is not one
                that this model has.
        """
        questions, single = as_list(question)
        contexts, shared = as_list(context)
        contexts = contexts * len(questions) if shared else contexts
        top_k = positive("top_k", top_k)
        longest = positive(
            "max_answer_len",
            self._trained.max_answer_length or _LONGEST_ANSWER
            if max_answer_len is None
            else max_answer_len,
        )
        n_best = max(self._trained.n_best or _N_BEST, top_k)
        threshold = self._threshold(handle_impossible_answer, null_threshold)
        rules = AnswerRules(n_best, longest, threshold)
        shape = self._windows(max_seq_len, doc_stride, max_question_len)
        results = [
            _answers(prediction, top_k)
            for prediction in self._predict(_pairs(questions, contexts), shape, rules)
        ]
        return results[0] if single else results

    def _threshold(self, impossible: bool | None, threshold: float | None) -> float | None:
        if impossible is None:
            impossible = threshold is not None or self._trained.null_threshold is not None
        if threshold is not None and (
            not isinstance(threshold, int | float) or threshold != threshold
        ):
            raise InputError(f"null_threshold is {quoted(threshold)}; expected a number")
        if not impossible:
            return None
        return (self._trained.null_threshold or 0.0) if threshold is None else threshold

    def _windows(
        self, longest: int | None, stride: int | None, question: int | None
    ) -> WindowShape:
        """How contexts are cut for a call."""
        usual, most = self._shape, self.limit.tokens
        if longest is None and stride is None and question is None:
            return usual
        window = usual.max_length if longest is None else positive("max_seq_len", longest)
        if window > most:
            raise InputError(
                f"max_seq_len is {window}; the model takes {most} tokens ({self.limit.source})"
            )
        shared = min(usual.stride, window // 2) if stride is None else stride
        if not isinstance(shared, int) or isinstance(shared, bool) or not 0 <= shared < window:
            raise InputError(
                f"doc_stride is {quoted(stride)}; expected a whole number, 0 to {window - 1}"
            )
        asked = (
            usual.question_tokens if question is None else positive("max_question_len", question)
        )
        return WindowShape(window, shared, asked)

    def _predict(
        self, pairs: Sequence[_Question], shape: WindowShape, rules: AnswerRules
    ) -> Iterator[Prediction]:
        try:
            for batch, windows in cut_windows(pairs, self._text.tokenizer, shape):
                yield from predict_answers(batch, windows.map, self._logits(windows), rules)
        except RecipeError as error:  # a question that leaves no room
            said = str(error).replace("task.max_length", "max_seq_len")
            raise InputError(said.replace("task.stride", "doc_stride")) from error

    def _logits(self, windows: Windows) -> tuple[Floats, Floats]:
        """Start and end logits of shape `(windows, tokens)`."""
        ids = windows.inputs["input_ids"]
        types = windows.inputs.get("token_type_ids", [[0] * len(row) for row in ids])
        logits = np.zeros((len(ids), max(map(len, ids)), 2), np.float32)
        for row, values in enumerate(self._text.source.model.values(ids, types)):
            logits[row, : len(values)] = values
        return logits[..., 0], logits[..., 1]


def _shape(text: TextModel) -> WindowShape:
    """As trained, as far as the model takes so many tokens and a question leaves room."""
    trained = text.trained
    window = min(trained.max_length or _WINDOW_TOKENS, text.limit.tokens)
    stride = min(_STRIDE if trained.stride is None else trained.stride, window // 2)
    special = text.tokenizer.num_special_tokens_to_add(pair=True)
    question = min(QUESTION_TOKENS, window - stride - special - 1)
    if question < 1:
        raise UnsupportedModelError(
            f"the model takes {window} tokens, too few for a question and its context"
        )
    return WindowShape(window, stride, question)


def _pairs(questions: Sequence[str], contexts: Sequence[str]) -> list[_Question]:
    if len(questions) != len(contexts):
        raise InputError(f"there are {len(questions)} questions and {len(contexts)} contexts")
    for text in (*questions, *contexts):
        check_text(text)
    return [_Question(*pair) for pair in zip(questions, contexts, strict=True)]


def _answers(prediction: Prediction, count: int) -> Any:
    """The chosen answer, or the best ones with the chosen one first."""
    chosen = prediction.answer
    if count == 1:
        return _plain(chosen)
    others = [one for one in prediction.n_best if one is not chosen]
    return [_plain(one) for one in (chosen, *others)[:count]]


def _plain(answer: ScoredAnswer) -> Answer:
    return {
        "answer": answer.text,
        "score": answer.probability,
        "start": answer.start,
        "end": answer.end,
    }
