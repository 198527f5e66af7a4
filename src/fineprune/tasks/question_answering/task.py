"""The question-answering task: examples to features, logits to answers and metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from datasets import Dataset, concatenate_datasets

from fineprune.errors import DataError
from fineprune.tasks.base import EvaluationSet, Head, Logits, Metrics, Split, Task
from fineprune.tasks.question_answering.examples import Example, SetName
from fineprune.tasks.question_answering.labels import answer_positions, answer_span
from fineprune.tasks.question_answering.metrics import (
    Judged,
    squad_v1_metrics,
    squad_v2_metrics,
)
from fineprune.text.answers import (
    AnswerRules,
    Prediction,
    ScoredAnswer,
    predict_answers,
)
from fineprune.text.tokenizer import Tokenizer
from fineprune.text.windows import (
    ContextMap,
    Windows,
    WindowShape,
    cut_windows,
    join_maps,
)

Examples = tuple[Example, ...]


@final
@dataclass(frozen=True, kw_only=True)
class QuestionAnswering(Task):
    """Extractive question answering with its data loaded.

    Attributes:
        examples: the sets that were loaded, by what they are for; in `"train"`, every answer is
            aligned.
        windows: how contexts are cut.
        rules: how answers are chosen; they say whether a question may have none.
        notes: what was dropped or looks wrong in the data.
        head: start and end logits for every token.
        metric: F1 over words.
    """

    examples: Mapping[SetName, Examples] = field(repr=False)
    windows: WindowShape
    rules: AnswerRules
    notes: tuple[str, ...] = ()
    # Start and end, however many labels the encoder's last task had.
    head: Head = field(default=Head("AutoModelForQuestionAnswering", {"num_labels": 2}), init=False)
    metric: str = field(default="f1", init=False)

    @property
    def splits(self) -> frozenset[Split]:
        """The splits that the task was loaded with."""
        splits: tuple[Split, ...] = ("validation", "test")
        return frozenset(split for split in splits if split in self.examples)

    def training_features(self, tokenizer: Tokenizer) -> Dataset:
        """Windows with `start_positions` and `end_positions`: the first answer's, or CLS.

        Raises:
            DataError: there is no training data, or the tokenizer is slow or has no CLS token.
            RecipeError: `max_length` is more than the model takes, or too little for `stride`.
        """
        examples = self._present("train")
        return concatenate_datasets(
            [
                _labelled(batch, windows)
                for batch, windows in cut_windows(examples, tokenizer, self.windows)
            ]
        )

    def evaluation_sets(
        self, tokenizer: Tokenizer, split: Split = "validation"
    ) -> tuple[EvaluationSet]:
        """The one set of `split`, as windows.

        Its `predictions` are `{id: {"answer", "score", "start", "end", "n_best"}}`: the text, its
        probability, and its half-open span of characters in the context; `n_best` lists so many
        such answers, most probable first. Where questions may be unanswerable, `null_odds` says
        how much better "no answer" scored than the best answer. The official scripts read
        `{id: prediction["answer"]}`; `{id: prediction["null_odds"]}` is 2.0's `--na-prob-file`.

        Raises:
            DataError: there is no data for `split`, or the tokenizer is slow or has no CLS token.
            RecipeError: `max_length` is more than the model takes, or too little for `stride`.
        """
        examples = self._present(split)
        cut = [windows for _, windows in cut_windows(examples, tokenizer, self.windows)]
        answering = _Answering(examples, join_maps([windows.map for windows in cut]), self.rules)
        features = concatenate_datasets([Dataset.from_dict(windows.inputs) for windows in cut])
        return (EvaluationSet("", features, len(examples), answering.score, answering.predictions),)

    def _present(self, name: SetName) -> Examples:
        if name not in self.examples:
            raise DataError(f"the recipe names no {name} data: set task.{name}")
        return self.examples[name]


@final
@dataclass(frozen=True)
class _Answering:
    """The way from the logits of a set to its metrics and predictions."""

    examples: Examples
    windows: ContextMap
    rules: AnswerRules

    def score(self, logits: Logits) -> Metrics:
        judged = [
            Judged(prediction.answer.text, tuple(answer.text for answer in example.answers))
            for example, prediction in zip(self.examples, self._predict(logits), strict=True)
        ]
        answers_all = self.rules.null_threshold is None
        return squad_v1_metrics(judged) if answers_all else squad_v2_metrics(judged)

    def predictions(self, logits: Logits) -> dict[str, dict[str, Any]]:
        return {
            example.id: _json(prediction)
            for example, prediction in zip(self.examples, self._predict(logits), strict=True)
        }

    def _predict(self, logits: Logits) -> list[Prediction]:
        return predict_answers(self.examples, self.windows, logits, self.rules)


def _labelled(examples: Sequence[Example], windows: Windows) -> Dataset:
    spans = np.array([answer_span(example) for example in examples])
    start, end = answer_positions(windows.map, spans)
    return Dataset.from_dict({**windows.inputs, "start_positions": start, "end_positions": end})


def _json(prediction: Prediction) -> dict[str, Any]:
    null_odds = prediction.null_odds
    return {
        **_json_answer(prediction.answer),
        "n_best": [_json_answer(answer) for answer in prediction.n_best],
        **({} if null_odds is None else {"null_odds": null_odds}),
    }


def _json_answer(answer: ScoredAnswer) -> dict[str, Any]:
    return {
        "answer": answer.text,
        "score": answer.probability,
        "start": answer.start,
        "end": answer.end,
    }
