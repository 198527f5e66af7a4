"""The reranking task: pairs to tokens, scores to rankings and metrics."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, final

import numpy as np
import pyarrow
from datasets import Dataset, List, Value
from numpy.typing import NDArray

from fineprune.errors import DataError
from fineprune.tasks.base import (
    ClassWeights,
    EvaluationSet,
    Head,
    Logits,
    Metrics,
    Split,
    TaskOfSets,
)
from fineprune.tasks.class_weights import weights_of_presence
from fineprune.tasks.classification.task import tokenized
from fineprune.tasks.ranking import DEPTH, ranking_metrics
from fineprune.text.tokenizer import Tokenizer

RELEVANT: Final = "relevant"
"""What the one output of a reranker is called where classes have names."""

_LEAST: Final = 0.5  # from here on a document counts as relevant


@dataclass(frozen=True, slots=True)
class Judgement:
    """How relevant a document is to a query.

    Attributes:
        query: a text.
        document: a text.
        label: from 0 to 1.
    """

    query: str
    document: str
    label: float


@final
@dataclass(frozen=True)
class JudgementSet:
    """Checked rows of one set.

    Attributes:
        source: name of the set in messages: its sources.
        judgements: in the order of the sources.
    """

    source: str
    judgements: tuple[Judgement, ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.judgements)

    @cached_property
    def by_query(self) -> Mapping[str, list[int]]:
        """The rows of each query."""
        rows: dict[str, list[int]] = {}
        for row, one in enumerate(self.judgements):
            rows.setdefault(one.query, []).append(row)
        return rows

    @cached_property
    def ranked(self) -> Mapping[str, list[int]]:
        """The rows of each query that has something to rank: a right document and a wrong one."""
        right = [one.label >= _LEAST for one in self.judgements]
        return {
            query: rows
            for query, rows in self.by_query.items()
            if 0 < sum(right[row] for row in rows) < len(rows)
        }

    @property
    def labels(self) -> NDArray[np.float32]:
        """Of all rows."""
        return np.array([one.label for one in self.judgements], np.float32)

    def notes(self) -> tuple[str, ...]:
        """That queries rank nothing, where some do not.

        Raises:
            DataError: none does.
        """
        without = len(self.by_query) - len(self.ranked)
        if not without:
            return ()
        if not self.ranked:
            raise DataError(
                f"{self.source}: no query has a relevant document beside others; there is nothing "
                "to rank"
            )
        return (
            f"{self.source}: {without} of {len(self.by_query)} queries have no relevant document, "
            "or no other one: they are not scored",
        )


@final
@dataclass(frozen=True, kw_only=True)
class Reranking(TaskOfSets[JudgementSet]):
    """Documents scored for a query, with its data loaded.

    Attributes:
        max_length: most tokens of a pair.
        train: the set to train on; None where the task is only evaluated.
        evaluation: of each split, the sets by name.
        notes: one line for each thing that was dropped or looks wrong in the data.
        head: one output, learned by binary cross-entropy.
        metric: nDCG of the best ten.
    """

    max_length: int
    train: JudgementSet | None = field(repr=False)
    evaluation: Mapping[Split, Mapping[str, JudgementSet]] = field(repr=False)
    notes: tuple[str, ...] = ()
    # An answer of its own, as of several labels: that is the loss of cross-encoders.
    head: Head = field(
        default=Head(
            "AutoModelForSequenceClassification",
            {"num_labels": 1, "problem_type": "multi_label_classification"},
        ),
        init=False,
    )
    metric: str = field(default=f"ndcg@{DEPTH}", init=False)

    def class_weights(self, wanted: ClassWeights, features: Dataset) -> NDArray[np.float32]:
        """What `relevant` documents count for, against 1 for the others.

        Raises:
            RecipeError: a weight names something else.
        """
        labels = np.array(features["labels"][:])
        present = np.array([(labels >= _LEAST).sum()])
        return weights_of_presence(wanted, (RELEVANT,), present, len(labels))

    def training_features(self, tokenizer: Tokenizer) -> Dataset:
        """Tokens of pairs with `labels`, one row a pair.

        Raises:
            DataError: there is no training data.
            RecipeError: the tokenizer cannot cut to `max_length`.
        """
        train = self.training_set()
        labels = [[float(label)] for label in train.labels]
        return self._tokenized(train, tokenizer).add_column(
            "labels", labels, feature=List(Value("float32"))
        )

    def evaluation_sets(
        self, tokenizer: Tokenizer, split: Split = "validation"
    ) -> tuple[EvaluationSet, ...]:
        """Tokens of the pairs of one split.

        Raises:
            DataError: there is no data for `split`.
            RecipeError: the tokenizer cannot cut to `max_length`.
        """
        return tuple(
            EvaluationSet(
                name=name,
                features=self._tokenized(one, tokenizer),
                examples=len(one),
                score=_Ranking(one).score,
                predictions=_Ranking(one).predictions,
            )
            for name, one in self.sets_of(split).items()
        )

    def _tokenized(self, pairs: JudgementSet, tokenizer: Tokenizer) -> Dataset:
        kind = pyarrow.large_string()
        texts = (
            pyarrow.chunked_array([[one.query for one in pairs.judgements]], kind),
            pyarrow.chunked_array([[one.document for one in pairs.judgements]], kind),
        )
        return tokenized(texts, tokenizer, self.max_length)


@final
@dataclass(frozen=True)
class _Ranking:
    """The way from the logits of a set to its metrics and predictions."""

    pairs: JudgementSet

    def score(self, logits: Logits) -> Metrics:
        scores, labels = self._scores(logits), self.pairs.labels
        groups = [np.array(rows) for rows in self.pairs.ranked.values()]
        return ranking_metrics(
            [scores[rows] for rows in groups], [labels[rows] >= _LEAST for rows in groups]
        )

    def predictions(self, logits: Logits) -> list[dict[str, Any]]:
        """The documents of each query, best first."""
        scores = self._scores(logits)
        return [
            {
                "query": query,
                "documents": [
                    {"text": self.pairs.judgements[row].document, "score": float(scores[row])}
                    for row in sorted(rows, key=lambda row: -scores[row])
                ],
            }
            for query, rows in self.pairs.by_query.items()
        ]

    def _scores(self, logits: Logits) -> NDArray[np.float64]:
        (values,) = logits
        scores: NDArray[np.float64] = 0.5 + 0.5 * np.tanh(0.5 * values[:, 0].astype(float))
        return scores
