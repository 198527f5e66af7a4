"""The `task:` section of a recipe, for reranking."""

from dataclasses import field
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from fineprune.tasks.data import Splits
from fineprune.tasks.data.named_sources import NamedSources, OneOrMoreSources
from fineprune.wording import listed

_Column = Annotated[str, Field(min_length=1)]


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class RerankingSettings:
    """Queries with documents, each with how relevant it is: a cross-encoder with one output.

    Sources are as for text classification. Rows of one query may stand anywhere in their set, and
    are evaluated together: nDCG and MRR of the ten best documents, accuracy of the best. Queries
    without a relevant document, or without another one, rank nothing, and a note counts them.

    The model is one for the `CrossEncoder` of sentence-transformers, and in the engine for `rank`
    and `predict`: scores are from 0 to 1.

    Attributes:
        kind: which task this is.
        train: sources to train on. Without them, the task can only be evaluated.
        validation: sources to evaluate on during and after training.
        test: sources to evaluate on at the end.
        query: the column of queries.
        document: the column of documents.
        label: the column that says how relevant a document is, from 0 to 1; from 0.5 on it counts
            as relevant.
        max_length: most tokens of query and document together, special tokens included; of what is
            too long, the longer one is cut first.
        broken_rows: what happens to rows that cannot be used (no text, no label): `"refuse"` stops
            at the first, `"drop"` leaves them out and counts them in the notes of the task.
    """

    kind: Literal["reranking"] = "reranking"
    train: OneOrMoreSources = ()
    validation: NamedSources = field(default_factory=dict)
    test: NamedSources = field(default_factory=dict)
    query: _Column = "query"
    document: _Column = "document"
    label: _Column = "label"
    max_length: Annotated[int, Field(strict=True, ge=1)] = 256
    broken_rows: Literal["refuse", "drop"] = "refuse"

    @property
    def columns(self) -> tuple[str, str, str]:
        """The columns of queries, documents and labels."""
        return self.query, self.document, self.label

    @property
    def splits(self) -> Splits:
        """The sources of each split."""
        return Splits(self.train, self.validation, self.test)

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if len(set(self.columns)) < len(self.columns):
            raise ValueError(f"columns have to differ, found {listed(self.columns)}")
        if not (self.train or self.validation or self.test):
            raise ValueError("one of train, validation and test has to name data")
        return self
