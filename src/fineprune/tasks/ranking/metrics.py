"""nDCG, MRR and accuracy of rankings, as the evaluators of sentence-transformers have them.

Those need PyTorch, and so cannot score what the engine says; a test compares with them.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fineprune.tasks.base import Metrics

DEPTH: Final = 10
"""How many of the best documents are looked at."""


def ranking_metrics(
    scores: Sequence[NDArray[Any]], relevant: Sequence[NDArray[np.bool_]]
) -> Metrics:
    """`ndcg@10`, `mrr@10` and `accuracy@1`: means over queries.

    A document counts as much as any other that is relevant. Of documents with equal scores, those
    that are not relevant are ranked first, whatever their order in the data: a model that says the
    same of all finds nothing. What is no number is ranked last.

    Args:
        scores: of the documents of each query, shape `(documents,)`.
        relevant: which of them are right, at least one.
    """
    hits = [_hits(one, right) for one, right in zip(scores, relevant, strict=True)]
    gains = [
        _gain(found) / _gain(np.ones(min(int(right.sum()), DEPTH)))
        for found, right in zip(hits, relevant, strict=True)
    ]
    return {
        f"ndcg@{DEPTH}": float(np.mean(gains)),
        f"mrr@{DEPTH}": float(np.mean([_reciprocal_rank(found) for found in hits])),
        "accuracy@1": float(np.mean([found[0] for found in hits])),
    }


def _hits(scores: NDArray[Any], relevant: NDArray[np.bool_]) -> NDArray[np.float64]:
    """1 for each of the best documents that is right, best first."""
    known = np.where(np.isnan(scores), -np.inf, scores)
    best = np.lexsort((relevant, -known))[:DEPTH]
    return relevant[best].astype(float)


def _gain(hits: NDArray[np.float64]) -> float:
    return float((hits / np.log2(np.arange(len(hits)) + 2)).sum())


def _reciprocal_rank(hits: NDArray[np.float64]) -> float:
    places = np.flatnonzero(hits)
    return 1.0 / float(places[0] + 1) if len(places) else 0.0
