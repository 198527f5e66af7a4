"""The `task:` section of a recipe, for token classification."""

from dataclasses import field
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from fineprune.tasks.data import Splits
from fineprune.tasks.data.named_sources import NamedSources, OneOrMoreSources
from fineprune.tasks.token_classification.tags import require_tags

_Count = Annotated[int, Field(strict=True, ge=1)]


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class TokenClassificationSettings:
    """Texts, and the entities in them.

    Sources are as for text classification. Their rows have either tokens and tags (files in the
    format of CoNLL, JSON lines with lists, data sets of the hub) in any of the usual schemes (IOB1,
    IOB2, BIOES, BILOU), or a text and spans of its characters: a list of
    `{start: 0, end: 5, label: PER}`, or of `[0, 5, PER]`. Tokens are joined by single spaces, for a
    model is served texts and no tokens.

    A word is a run of the tokenizer's tokens, as in the pipeline `token-classification` of
    transformers, and its label belongs to the first of them. An entity that begins or ends inside
    of a word is taken to be the whole word, and a note says how many are.

    Attributes:
        kind: which task this is.
        train: sources to train on. Without them, the task can be evaluated if its labels are known.
        validation: sources to evaluate on during and after training.
        test: sources to evaluate on at the end.
        tokens: the column of tokens.
        tags: the column of tags.
        text: the column of texts, in place of tokens and tags.
        spans: the column of spans, beside `text`.
        labels: names of the model's outputs in their order: `O`, and `B-` and `I-` for each kind of
            entity. Without it, those of the training set, ordered.
        max_length: longest model input in tokens, special tokens included; longer texts are cut
            into windows.
        stride: tokens that neighbouring windows share.
        broken_rows: what happens to rows that cannot be used (fields missing, unknown tags, spans
            outside of the text): `"refuse"` stops at the first, `"drop"` leaves them out and counts
            them in the notes of the task.
    """

    kind: Literal["token-classification"] = "token-classification"
    train: OneOrMoreSources = ()
    validation: NamedSources = field(default_factory=dict)
    test: NamedSources = field(default_factory=dict)
    tokens: str = "tokens"
    tags: str = "tags"
    text: str | None = None
    spans: str | None = None
    labels: tuple[str, ...] = ()
    max_length: _Count = 256
    stride: Annotated[int, Field(strict=True, ge=0)] = 64
    broken_rows: Literal["refuse", "drop"] = "refuse"

    @property
    def columns(self) -> tuple[str, str]:
        """The columns of texts and of what is in them."""
        if self.text is not None and self.spans is not None:
            return self.text, self.spans
        return self.tokens, self.tags

    @property
    def splits(self) -> Splits:
        """The sources of each split."""
        return Splits(self.train, self.validation, self.test)

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if (self.text is None) != (self.spans is None):
            raise ValueError("text and spans go together: name both columns, or tokens and tags")
        if len(set(self.columns)) < len(self.columns):
            raise ValueError(f"two columns are called {self.columns[0]!r}: name different ones")
        if self.stride >= self.max_length:
            raise ValueError(f"stride {self.stride} must be less than max_length {self.max_length}")
        if not (self.train or self.labels):
            raise ValueError("train is needed to learn the labels from, or labels to list them")
        if not (self.train or self.validation or self.test):
            raise ValueError("one of train, validation and test has to name data")
        if self.labels:
            require_tags(self.labels)
        return self
