"""From embeddings of texts to metrics and predictions."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from fineprune.tasks.base import Logits, Metrics
from fineprune.tasks.classification.metrics import pearson, spearman
from fineprune.tasks.ranking import DEPTH, ranking_metrics
from fineprune.tasks.sentence_embedding.examples import ExampleSet

_QUERIES: Final = 512  # compared with all documents at once: bounds memory


class Comparison(ABC):
    """What a set of texts is evaluated by.

    Attributes:
        queries: texts that stand for anchors.
        documents: the other texts.
    """

    queries: tuple[str, ...]
    documents: tuple[str, ...]

    @abstractmethod
    def score(self, logits: Logits) -> Metrics:
        """Metrics of embeddings, those of queries first, then those of documents."""

    @abstractmethod
    def predictions(self, logits: Logits) -> list[dict[str, Any]]:
        """What the embeddings say of each row or query, JSON-serialisable."""

    def _units(self, logits: Logits) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Embeddings of length one: of queries and of documents."""
        (embeddings,) = logits
        values = embeddings.astype(float)
        norms = np.linalg.norm(values, axis=1, keepdims=True)
        units = values / np.maximum(norms, 1e-12)
        return units[: len(self.queries)], units[len(self.queries) :]


@final
@dataclass(frozen=True)
class Similarity(Comparison):
    """Scored pairs: how well cosines go with scores.

    Attributes:
        queries: the first text of each pair.
        documents: the second.
        scores: of the pairs.
    """

    queries: tuple[str, ...]
    documents: tuple[str, ...]
    scores: tuple[float, ...] = field(repr=False)

    def score(self, logits: Logits) -> Metrics:
        """`spearman` and `pearson`: correlations of cosine and score."""
        cosines, expected = self._cosines(logits), np.array(self.scores)
        return {"spearman": spearman(cosines, expected), "pearson": pearson(cosines, expected)}

    def predictions(self, logits: Logits) -> list[dict[str, Any]]:
        """The cosine of each pair."""
        return [{"score": cosine} for cosine in self._cosines(logits).tolist()]

    def _cosines(self, logits: Logits) -> NDArray[np.float64]:
        first, second = self._units(logits)
        cosines: NDArray[np.float64] = (first * second).sum(axis=1)
        return cosines


@final
@dataclass(frozen=True)
class Retrieval(Comparison):
    """Pairs and triplets: how early queries find the texts that belong to them.

    Attributes:
        queries: each anchor once.
        documents: each other text once.
        relevant: for each query, the places of its documents.
    """

    queries: tuple[str, ...]
    documents: tuple[str, ...]
    relevant: tuple[frozenset[int], ...] = field(repr=False)

    def score(self, logits: Logits) -> Metrics:
        """NDCG and MRR of the best ten, accuracy of the best."""
        cosines = self._cosines(logits)
        every = np.arange(len(self.documents))
        right = [np.isin(every, [*places]) for places in self.relevant]
        return ranking_metrics(cosines, right)

    def predictions(self, logits: Logits) -> list[dict[str, Any]]:
        """The best documents of each query: `{"query", "documents": [{"text", "score"}]}`."""
        return [
            {
                "query": query,
                "documents": [
                    {"text": self.documents[place], "score": float(cosines[place])}
                    for place in np.argsort(-cosines, kind="stable")[:DEPTH]
                ],
            }
            for query, cosines in zip(self.queries, self._cosines(logits), strict=True)
        ]

    def _cosines(self, logits: Logits) -> Sequence[NDArray[np.float64]]:
        queries, documents = self._units(logits)
        return [
            row
            for first in range(0, len(queries), _QUERIES)
            for row in queries[first : first + _QUERIES] @ documents.T
        ]


def comparison_of(examples: ExampleSet) -> Comparison:
    """What a set is evaluated by: search, or where there are scores, their correlation."""
    if examples.scores:
        first, second = zip(*examples.texts, strict=True)
        return Similarity(tuple(first), tuple(second), examples.scores)
    queries = {text: i for i, text in enumerate(dict.fromkeys(row[0] for row in examples.texts))}
    others = dict.fromkeys(text for row in examples.texts for text in row[1:])
    documents = {text: i for i, text in enumerate(others)}
    relevant: list[set[int]] = [set() for _ in queries]
    for anchor, positive, *_ in examples.texts:
        relevant[queries[anchor]].add(documents[positive])
    return Retrieval(tuple(queries), tuple(documents), tuple(map(frozenset, relevant)))
