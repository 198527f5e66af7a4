"""A class for each text, or a number."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import numpy as np

from fineprune.engine.config import Config
from fineprune.engine.errors import InputError, UnsupportedModelError
from fineprune.engine.heads.head import Floats
from fineprune.engine.tasks.entailment import HYPOTHESIS, Hypotheses
from fineprune.engine.tasks.task import (
    Task,
    TaskSource,
    as_list,
    in_batches,
    positive,
    sigmoid,
    softmax,
)
from fineprune.engine.tasks.text import TextModel, check_text
from fineprune.text.fast import Text
from fineprune.wording import listed, quoted

_KINDS = ("text-classification", "reranking")


def _as_it_is(logits: Floats) -> Floats:
    return logits


_SCORES: dict[str, Callable[[Floats], Floats]] = {
    "regression": _as_it_is,
    "multi_label_classification": sigmoid,
    "single_label_classification": softmax,
}


_FUNCTIONS: dict[str, Callable[[Floats], Floats]] = {
    "sigmoid": sigmoid,
    "softmax": softmax,
    "none": _as_it_is,
}
"""By the names that pipelines have for them."""

_ACTIVATIONS: dict[str, Callable[[Floats], Floats]] = {
    "torch.nn.modules.linear.Identity": _as_it_is,
    "torch.nn.modules.activation.Sigmoid": sigmoid,
    "torch.nn.modules.activation.Tanh": np.tanh,
}
"""What a cross-encoder's config may name."""


@final
class TextClassification(Task):
    """Classification and regression.

    Scores are probabilities: over all classes, or of each class for itself where the model's
    config says `multi_label_classification` or there is one class; of regression, the values.
    A model that was trained by a recipe with `multi_label` answers with all labels that are as
    probable as the recipe's threshold asks.
    """

    def __init__(self, source: TaskSource) -> None:
        self._text = TextModel.of(source, *_KINDS)
        self.limit = self._text.limit
        self._config = source.config

    @property
    def is_regression(self) -> bool:
        """Whether scores are values that the model predicts, and not of classes."""
        return self._config.get("problem_type", "") == "regression"

    def __call__(
        self,
        texts: Text | list[Text],
        *,
        top_k: int | None = 1,
        threshold: float | None = None,
        function_to_apply: str | None = None,
        candidate_labels: str | Sequence[str] | None = None,
        hypothesis_template: str = HYPOTHESIS,
        multi_label: bool = False,
    ) -> Any:
        """Classifies texts, as the pipeline `text-classification` of `transformers` does.

        With `candidate_labels` it does what `zero-shot-classification` does, with a model that was
        trained to tell whether a text entails another: any words can be classes then.

        Args:
            texts: a text, a tuple of two texts for models of pairs (or a dictionary with `text`
                and `text_pair`), or a list of these. What is too long for the model is cut.
            top_k: how many classes to return, all if None.
            threshold: return all classes whose score is at least this, however many there are, and
                not more than `top_k` where that is not 1; without, as the model was trained.
            function_to_apply: what makes scores of logits: `"sigmoid"`, `"softmax"` or `"none"`;
                without, what the model's config says.
            candidate_labels: classes, as a list or with commas between them, in place of the
                model's own.
            hypothesis_template: the text that is entailed or not, `{}` standing for a class.
            multi_label: whether several of these classes may be true: scores do not sum to one.

        Returns:
            For each text a dictionary with `label` and `score` of the best class; with another
            `top_k` than 1, or with a threshold, a list of such, best first. With `candidate_labels`
            a dictionary with the text as `sequence`, and all `labels` and `scores`, best first.

        Raises:
            InputError: an input is no text, or an option not one that this model has.
        """
        batch, single = as_list(texts)
        if candidate_labels is not None:
            if function_to_apply is not None or threshold is not None:
                name = "threshold" if function_to_apply is None else "function_to_apply"
                raise InputError(f"candidate_labels go without {name}: leave it out")
            hypotheses = Hypotheses.of(candidate_labels, hypothesis_template, multi_label)
            entailed = self._entailed(batch, hypotheses)
            return entailed[0] if single else entailed
        if top_k is not None:
            positive("top_k", top_k)
        batch = [_as_pair(one) for one in batch]
        least = self._threshold(top_k, threshold)
        count = None if least is not None and top_k == 1 else top_k
        ranked = [self._ranked(logits, function_to_apply) for logits in self._logits(batch)]
        results: list[Any] = [
            [one for one in answer if least is None or one["score"] >= least][:count]
            for answer in ranked
        ]
        if count == 1:
            results = [answer[0] for answer in results]
        return results[0] if single else results

    def gives_several(self, options: Mapping[str, Any]) -> bool:
        """Whether the answer to a text is a list, if the task is called with these options."""
        top_k = options.get("top_k", 1)
        return top_k != 1 or self._threshold(top_k, options.get("threshold")) is not None

    def _threshold(self, top_k: int | None, threshold: float | None) -> float | None:
        if threshold is None:  # who names a number of classes wants so many
            return self._text.trained.threshold if top_k == 1 else None
        if isinstance(threshold, bool) or not isinstance(threshold, int | float):
            raise InputError(f"threshold is {quoted(threshold)}; expected a number")
        return float(threshold)

    def _entailed(self, texts: Sequence[str], hypotheses: Hypotheses) -> list[dict[str, Any]]:
        """What each text entails."""
        for text in texts:
            check_text(text)
        pairs = [(text, one) for text in texts for one in hypotheses.texts]
        logits = self._text.values(self._text.encode_first(pairs))
        number = len(hypotheses.texts)
        labels = self._config.labels(logits[0].shape[0]) if logits else ()
        return [
            {"sequence": text, **hypotheses.rank(np.stack(logits[first : first + number]), labels)}
            for text, first in zip(texts, range(0, len(pairs), number), strict=True)
        ]

    def scores(self, pairs: Any, *, batch_size: int, show: bool) -> Floats:
        """Scores of pairs of texts; see `Engine.predict`."""
        batch, single = as_list(pairs)
        if not single and len(batch) == 2 and all(isinstance(one, str) for one in batch):
            batch, single = [batch], True  # one pair, as a list
        batch = [tuple(one) if isinstance(one, list) else one for one in batch]
        size = positive("batch_size", batch_size)
        parts = in_batches(batch, size, show=show)
        logits = [row for part in parts for row in self._logits(part)]
        scores = self._activation(np.stack(logits)) if logits else np.zeros(0, np.float32)
        if scores.ndim == 2 and scores.shape[1] == 1:
            scores = scores[:, 0]
        answers: Floats = scores[0] if single else scores
        return answers

    def _logits(self, texts: Sequence[Text]) -> list[Floats]:
        return self._text.values(self._text.encode(texts, pairs=True))

    def _activation(self, logits: Floats) -> Floats:
        """What a config asks for, in the words of sentence-transformers' cross-encoders."""
        values = self._config.values
        nested = values.get("sentence_transformers")
        name = nested.get("activation_fn") if isinstance(nested, dict) else None
        name = name or values.get("sbert_ce_default_activation_function")
        if name is None:
            return sigmoid(logits) if logits.shape[1] == 1 else logits
        if name not in _ACTIVATIONS:
            raise UnsupportedModelError(
                f"the activation in the model's config is {quoted(name)}; the engine knows "
                f"{listed(_ACTIVATIONS)}"
            )
        return _ACTIVATIONS[name](logits)

    def _ranked(self, logits: Floats, function: str | None) -> list[dict[str, Any]]:
        if function is None:
            scores = _SCORES[_problem(self._config, len(logits))](logits)
        else:
            scores = _function(function)(logits)
        labels = self._config.labels(len(logits))
        answers = [
            {"label": label, "score": float(score)}
            for label, score in zip(labels, scores, strict=True)
        ]
        return sorted(answers, key=lambda answer: -answer["score"])


def _function(name: Any) -> Callable[[Floats], Floats]:
    found = _FUNCTIONS.get(name.lower()) if isinstance(name, str) else None
    if found is None:
        raise InputError(
            f"function_to_apply is {quoted(name)}; expected one of {listed(_FUNCTIONS)}"
        )
    return found


def _as_pair(one: Any) -> Any:
    """A dictionary with `text` and `text_pair`, as pipelines take it, as a pair."""
    if isinstance(one, Mapping) and one.keys() == {"text", "text_pair"}:
        return one["text"], one["text_pair"]
    return one["text"] if isinstance(one, Mapping) and one.keys() == {"text"} else one


def _problem(config: Config, classes: int) -> str:
    usual = "single_label_classification" if classes > 1 else "multi_label_classification"
    problem = config.get("problem_type", usual)
    if problem not in _SCORES:
        raise UnsupportedModelError(
            f"problem_type in the model's config is {quoted(problem)}; expected {listed(_SCORES)}"
        )
    return problem
