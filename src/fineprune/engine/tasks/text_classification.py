"""A class for each text, or a number."""

from collections.abc import Callable
from typing import Any, final

from fineprune.engine.config import Config
from fineprune.engine.errors import UnsupportedModelError
from fineprune.engine.heads.head import Floats
from fineprune.engine.tasks.task import Task, TaskSource, as_list, sigmoid, softmax
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
        answers = [
            self._ranked(logits)[:top_k]
            for logits in self._text.values(self._text.encode(batch, pairs=True))
        ]
        results = [answer[0] for answer in answers] if top_k == 1 else answers
        return results[0] if single else results

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
