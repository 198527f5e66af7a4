"""What is asked of a tokenizer; those of `transformers` offer it as well."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol


class Encoding(Protocol):
    """A batch of tokenized texts: columns by name, one row an input.

    `overflow_to_sample_mapping` and `offset_mapping` are columns where they were asked for.
    """

    def __getitem__(self, name: str, /) -> Any:
        """The column of that name."""

    def __iter__(self) -> Iterator[str]:
        """Names of the columns."""

    def sequence_ids(self, row: int, /) -> Sequence[int | None]:
        """For each token of a row, which of its texts it is of; none for special tokens."""


class Tokenizer(Protocol):
    """A tokenizer; those of `transformers` are such."""

    @property
    def is_fast(self) -> bool:
        """Whether it knows where its tokens stand in the text."""

    @property
    def model_max_length(self) -> int:
        """Most tokens that its model takes."""

    @property
    def model_input_names(self) -> list[str]:
        """Columns that its model takes."""

    @property
    def padding_side(self) -> str:
        """`"right"` or `"left"`."""

    @property
    def truncation_side(self) -> str:
        """Where what is too long is cut: `"right"` or `"left"`."""

    @property
    def cls_token(self) -> str | None:
        """The token that stands for the whole input."""

    @property
    def cls_token_id(self) -> int | None:
        """Its number."""

    def num_special_tokens_to_add(self, pair: bool) -> int:
        """How many special tokens an input gets, by whether it is a pair of texts."""

    def __call__(self, *texts: Any, **options: Any) -> Encoding:
        """Tokenizes a list of texts, or two lists as pairs; options as in `transformers`."""


def starts_with_cls(tokenizer: Tokenizer) -> bool:
    """Whether an input begins with the CLS token, so that padding belongs behind it.

    Before it, padding would move the positions that a model counts from the start of a row: it
    would say something else of the same text in another batch.
    """
    (ids,) = tokenizer([""])["input_ids"]
    return bool(ids) and ids[0] == tokenizer.cls_token_id
