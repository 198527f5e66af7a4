"""The sentence-embedding task: texts to tokens, embeddings to metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, final

from datasets import Dataset

from fineprune.tasks.base import EvaluationSet, Head, Split, TaskOfSets
from fineprune.tasks.classification.task import check_length
from fineprune.tasks.sentence_embedding.comparing import comparison_of
from fineprune.tasks.sentence_embedding.examples import ExampleSet
from fineprune.tasks.sentence_embedding.settings import SentenceEmbeddingSettings
from fineprune.text.tokenizer import Tokenizer

ROLES: Final = ("anchor", "positive", "negative")
"""What the texts of a row are, in their order."""

IDS: Final = "_input_ids"
"""How the columns of tokens of training features end, behind the role of their texts."""

_BATCH: Final = 1000


@final
@dataclass(frozen=True, kw_only=True)
class SentenceEmbedding(TaskOfSets[ExampleSet]):
    """Embeddings of texts, with its data loaded.

    Attributes:
        settings: the recipe's.
        train: the set to train on; None where the task is only evaluated.
        evaluation: of each split, the sets by name.
        notes: one line for each thing that was dropped or looks wrong in the data.
        head: none: the encoder's states are pooled.
    """

    settings: SentenceEmbeddingSettings = field(repr=False)
    train: ExampleSet | None = field(repr=False)
    evaluation: Mapping[Split, Mapping[str, ExampleSet]] = field(repr=False)
    notes: tuple[str, ...] = ()
    head: Head = field(default=Head("AutoModel"), init=False)

    @property
    def metric(self) -> str:  # type: ignore[override]
        """Correlation of ranks of scored pairs; else nDCG of the best ten."""
        return "spearman" if self.settings.score else "ndcg@10"

    def training_features(self, tokenizer: Tokenizer) -> Dataset:
        """Tokens of each text of a row (`anchor_input_ids` and so on), and `label`, its score.

        There are no other columns: trainers of sentence-transformers look for equal texts in them.

        Raises:
            DataError: there is no training data.
            RecipeError: the tokenizer cannot cut to `max_length`.
        """
        train = self.training_set()
        columns = {
            f"{role}{IDS}": self._ids(texts, tokenizer, query=role == ROLES[0])
            for role, texts in zip(ROLES, zip(*train.texts, strict=True), strict=False)
        }
        if train.scores:
            return Dataset.from_dict({**columns, "label": list(train.scores)})
        return Dataset.from_dict(columns)

    def evaluation_sets(
        self, tokenizer: Tokenizer, split: Split = "validation"
    ) -> tuple[EvaluationSet, ...]:
        """Sets of one split: the texts that are looked for, and behind them all others.

        Raises:
            DataError: there is no data for `split`.
            RecipeError: the tokenizer cannot cut to `max_length`.
        """
        sets = self.sets_of(split)
        return tuple(self._set(name, one, tokenizer) for name, one in sets.items())

    def _set(self, name: str, examples: ExampleSet, tokenizer: Tokenizer) -> EvaluationSet:
        comparison = comparison_of(examples)
        ids = [
            *self._ids(comparison.queries, tokenizer, query=True),
            *self._ids(comparison.documents, tokenizer, query=False),
        ]
        return EvaluationSet(
            name=name,
            features=Dataset.from_dict({"input_ids": ids}),
            examples=len(examples),
            score=comparison.score,
            predictions=comparison.predictions,
        )

    def _ids(self, texts: Sequence[str], tokenizer: Tokenizer, *, query: bool) -> list[list[int]]:
        """Tokens of texts with their prompt."""
        check_length(tokenizer, self.settings.max_length, pair=False)
        prompt = self.settings.prompts.get("query" if query else "document", "")
        ids: list[list[int]] = []
        for first in range(0, len(texts), _BATCH):
            batch = [prompt + text for text in texts[first : first + _BATCH]]
            encoded = tokenizer(batch, truncation=True, max_length=self.settings.max_length)
            ids += encoded["input_ids"]
        return ids
