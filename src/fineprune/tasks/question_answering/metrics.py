"""Exact match and F1 as the official SQuAD 1.1 and 2.0 evaluation scripts compute them.

No light library has them: torchmetrics needs PyTorch, `evaluate` downloads its scripts. Written
anew after `evaluate-v1.1.py` and `evaluate-v2.0.py` (https://rajpurkar.github.io/
SQuAD-explorer/). The two differ in more than unanswerable questions: version 2.0 drops reference
answers that normalize to nothing, and gives F1 = 1 where prediction and reference both do.
"""

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fineprune.tasks.base import Metrics

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True, slots=True)
class Judged:
    """A prediction beside what would have been right.

    Attributes:
        prediction: the predicted text; empty for "no answer".
        references: texts of the reference answers; none where there is no answer.
    """

    prediction: str
    references: tuple[str, ...]


def squad_v1_metrics(judged: Sequence[Judged]) -> Metrics:
    """`exact_match` and `f1` in percent, as `evaluate-v1.1.py`; every question has a reference."""
    return {
        "exact_match": _percent([_best(exact_match, item) for item in judged]),
        "f1": _percent([_best(token_f1, item) for item in judged]),
    }


def squad_v2_metrics(judged: Sequence[Judged]) -> Metrics:
    """`exact_match` and `f1` in percent, as `evaluate-v2.0.py`: overall, and for each part.

    The parts are the questions with an answer (`has_answer_exact_match`, `has_answer_f1`) and
    those without (`no_answer_...`); a part that has no questions has no metrics.
    """
    parts = {
        "": judged,
        "has_answer_": [item for item in judged if item.references],
        "no_answer_": [item for item in judged if not item.references],
    }
    return {
        f"{prefix}{name}": value
        for prefix, part in parts.items()
        if part
        for name, value in _v2_scores(part).items()
    }


def normalize(text: str) -> str:
    """Lower case, without ASCII punctuation and English articles, single spaces."""
    bare = text.lower().translate(_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", bare).split())


def exact_match(prediction: str, reference: str) -> float:
    """1 if both are equal once normalized, else 0."""
    return float(normalize(prediction) == normalize(reference))


def token_f1(prediction: str, reference: str) -> float:
    """F1 of the bags of normalized words; 0 where they share none."""
    predicted, expected = normalize(prediction).split(), normalize(reference).split()
    shared = (Counter(predicted) & Counter(expected)).total()
    if not shared:
        return 0.0
    precision, recall = shared / len(predicted), shared / len(expected)
    return 2 * precision * recall / (precision + recall)


def _v2_scores(judged: Sequence[Judged]) -> Metrics:
    cleaned = [
        Judged(item.prediction, tuple(filter(normalize, item.references)) or ("",))
        for item in judged
    ]
    return {
        "exact_match": _percent([_best(exact_match, item) for item in cleaned]),
        "f1": _percent([_best(_v2_f1, item) for item in cleaned]),
    }


def _v2_f1(prediction: str, reference: str) -> float:
    if normalize(prediction) and normalize(reference):
        return token_f1(prediction, reference)
    return exact_match(prediction, reference)


def _best(metric: Callable[[str, str], float], item: Judged) -> float:
    return max(metric(item.prediction, reference) for reference in item.references)


def _percent(values: Sequence[float]) -> float:
    return 100.0 * sum(values) / len(values)
