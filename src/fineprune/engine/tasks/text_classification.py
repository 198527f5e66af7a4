"""A class for each text, or a number."""

from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np

from fineprune.engine.config import Config
from fineprune.engine.errors import UnsupportedModelError
from fineprune.engine.heads.head import Floats
from fineprune.engine.tasks.task import (
    Task,
    TaskSource,
    as_list,
    in_batches,
    positive,
    sigmoid,
    softmax,
)
from fineprune.engine.tasks.text import TextModel
from fineprune.text.fast import Text
from fineprune.wording import listed, quoted

_KIND = "text-classification"


def _as_it_is(logits: Floats) -> Floats:
    return logits


_SCORES: dict[str, Callable[[Floats], Floats]] = {
    "regression": _as_it_is,
    "multi_label_classification": sigmoid,
    "single_label_classification": softmax,
}


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
    """

    def __init__(self, source: TaskSource) -> None:
        self._text = TextModel.of(source, _KIND)
        self.limit = self._text.limit
        self._config = source.config

    @property
    def is_regression(self) -> bool:
        """Whether scores are values that the model predicts, and not of classes."""
        return self._config.get("problem_type", "") == "regression"

    def is_cut(self, text: Text) -> bool:
        """Whether a text is longer than the model's longest input."""
        return self._text.is_cut(text)

    def __call__(self, texts: Text | list[Text], *, top_k: int | None = 1) -> Any:
        """Classifies texts, as the pipeline `text-classification` of `transformers` does.

        Args:
            texts: a text, a tuple of two texts for models of pairs, or a list of either. What is
                too long for the model is cut.
            top_k: how many classes to return, all if None.

        Returns:
            For each text a dictionary with `label` and `score` of the best class; with another
            `top_k` than 1, a list of such, best first.
        """
        batch, single = as_list(texts)
        answers = [self._ranked(logits)[:top_k] for logits in self._logits(batch)]
        results = [answer[0] for answer in answers] if top_k == 1 else answers
        return results[0] if single else results

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

    def _ranked(self, logits: Floats) -> list[dict[str, Any]]:
        scores = _SCORES[_problem(self._config, len(logits))](logits)
        labels = self._config.labels(len(logits))
        answers = [
            {"label": label, "score": float(score)}
            for label, score in zip(labels, scores, strict=True)
        ]
        return sorted(answers, key=lambda answer: -answer["score"])


def _problem(config: Config, classes: int) -> str:
    usual = "single_label_classification" if classes > 1 else "multi_label_classification"
    problem = config.get("problem_type", usual)
    if problem not in _SCORES:
        raise UnsupportedModelError(
            f"problem_type in the model's config is {quoted(problem)}; expected {listed(_SCORES)}"
        )
    return problem
