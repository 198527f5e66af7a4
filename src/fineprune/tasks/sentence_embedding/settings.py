"""The `task:` section of a recipe, for sentence embedding."""

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Final, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from fineprune.tasks.data import Splits
from fineprune.tasks.data.named_sources import NamedSources, OneOrMoreSources
from fineprune.wording import listed

RANKING: Final = ("MultipleNegativesRankingLoss", "MultipleNegativesSymmetricRankingLoss")
"""Losses for which the other texts of a batch are wrong."""

TRIPLET: Final = ("TripletLoss",)
SCORED: Final = ("CoSENTLoss", "AnglELoss", "CosineSimilarityLoss")

_Column = Annotated[str, Field(min_length=1)]


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class SentenceEmbeddingSettings:
    """Texts that are to be near each other, or not.

    Sources are as for text classification. Their rows are pairs (`anchor`, `positive`), triplets
    (with `negative`), or pairs with a `score` of how near they are. Sets of pairs and triplets are
    evaluated by search: each anchor looks for its positives among all texts of the set that are no
    anchors; nDCG and MRR of the ten best, and accuracy of the best. Scored pairs are evaluated by
    the correlation of cosine and score.

    Needs the extra `embed`: losses and trainer are those of sentence-transformers, and so is the
    folder that a run leaves.

    Attributes:
        kind: which task this is.
        train: sources to train on. Without them, the task can only be evaluated.
        validation: sources to evaluate on during and after training.
        test: sources to evaluate on at the end.
        anchor: the column of queries, or of first texts.
        positive: the column of texts near those.
        negative: the column of texts that are not.
        score: the column of scores, in place of `negative`.
        loss: a loss by its name in sentence-transformers. For pairs and triplets
            `MultipleNegativesRankingLoss`, the default, or `MultipleNegativesSymmetricRankingLoss`;
            for triplets also `TripletLoss`; for scored pairs `CoSENTLoss`, the default, `AnglELoss`
            or `CosineSimilarityLoss`, whose scores have to be from -1 to 1.
        prompts: what stands before anchors (`query`) and before other texts (`document`); carried
            in the model's folder and the packed file, where `encode_query` and `encode_document`
            apply them.
        pooling: of a model that does not say how its embeddings are made: `mean` over tokens, or
            that of the first one, `cls`. The embeddings of such a model have length one.
        max_length: most tokens of a text, prompt and special tokens included; longer ones are cut.
        broken_rows: what happens to rows that cannot be used (no text, no score): `"refuse"` stops
            at the first, `"drop"` leaves them out and counts them in the notes of the task.
    """

    kind: Literal["sentence-embedding"] = "sentence-embedding"
    train: OneOrMoreSources = ()
    validation: NamedSources = field(default_factory=dict)
    test: NamedSources = field(default_factory=dict)
    anchor: _Column = "anchor"
    positive: _Column = "positive"
    negative: _Column | None = None
    score: _Column | None = None
    loss: str | None = None
    prompts: Mapping[Literal["query", "document"], str] = field(default_factory=dict)
    pooling: Literal["mean", "cls"] = "mean"
    max_length: Annotated[int, Field(strict=True, ge=1)] = 128
    broken_rows: Literal["refuse", "drop"] = "refuse"

    @property
    def text_columns(self) -> tuple[str, ...]:
        """The columns of texts, the anchor's first."""
        return (self.anchor, self.positive, *((self.negative,) if self.negative else ()))

    @property
    def losses(self) -> tuple[str, ...]:
        """Names of the losses for such rows, the default first."""
        if self.score is not None:
            return SCORED
        return (*RANKING, *TRIPLET) if self.negative else RANKING

    @property
    def loss_name(self) -> str:
        """The loss, or what is usual for such rows."""
        return self.loss or self.losses[0]

    @property
    def splits(self) -> Splits:
        """The sources of each split."""
        return Splits(self.train, self.validation, self.test)

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.negative is not None and self.score is not None:
            raise ValueError("negative makes triplets, and score makes scored pairs: name one")
        columns = [*self.text_columns, *([self.score] if self.score else [])]
        if len(set(columns)) < len(columns):
            raise ValueError(f"columns have to differ, found {listed(columns)}")
        if self.loss is not None and self.loss not in self.losses:
            rows = "scored pairs" if self.score else "triplets" if self.negative else "pairs"
            raise ValueError(
                f"loss {self.loss!r} is none for {rows}; known are {listed(self.losses)}"
            )
        if not (self.train or self.validation or self.test):
            raise ValueError("one of train, validation and test has to name data")
        return self
