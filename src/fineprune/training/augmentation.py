"""Further versions of every training text, for the teacher to label."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, final

import numpy as np
import torch
from datasets import Dataset, concatenate_datasets
from numpy.typing import NDArray
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass
from torch import Tensor

from fineprune.errors import RecipeError
from fineprune.pruning.numbers import Count, Fraction

_ROWS = 1024  # of similarities that are held at a time
_EVERY_OTHER = 0.5
_ENDS = 2  # special tokens of a single text: one on each side
_NONE = np.zeros(0, np.int64)

Row = dict[str, list[Any]]
"""The columns of one model input, all of its length."""


@final
@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Augmentation:
    """How many versions of a text there are, and how far they are from it.

    Attributes:
        versions: of each text, beside itself.
        replaced: share of tokens in whose place a near one stands (Jiao et al. 2020).
        neighbours: how many near ones there are to choose from.
        dropped: share of tokens that are left out of every other version.
        spliced: share of versions whose end is that of another text, in place of all that.
    """

    versions: Count = 7
    replaced: Fraction = 0.15
    neighbours: Count = 15
    dropped: Fraction = 0.1
    spliced: Fraction = 0.2


def augmented(
    features: Dataset,
    embeddings: Tensor,
    special: Sequence[int],
    augmentation: Augmentation,
    seed: int,
) -> Dataset:
    """The rows, and behind them their versions; the same for the same seed.

    Special tokens stay where they are, and no row grows longer than the longest. The labels of
    versions are those of their texts, and may be wrong: they are for a teacher to label.

    Args:
        features: model inputs, not padded.
        embeddings: of the model's tokens, shape `(vocabulary, width)`.
        special: numbers of the tokens that are none of a text.
        augmentation: how many versions, and how far from the texts.
        seed: of the choices.

    Raises:
        RecipeError: rows hold places in the text (answers), which versions would move.
    """
    if {"start_positions", "end_positions"} & set(features.column_names):
        raise RecipeError(
            "augmentation is for tasks about whole texts: answers to questions are places in a "
            "text, and would move"
        )
    rows = features.with_format(None)[:]
    writer = _Writer(rows, embeddings, frozenset(special), augmentation, seed)
    versions = [
        Dataset.from_dict(writer.version(), features=features.features)
        for _ in range(augmentation.versions)
    ]
    return concatenate_datasets([features, *versions])


def nearest(embeddings: Tensor, tokens: Sequence[int], count: int) -> dict[int, NDArray[np.int64]]:
    """For each of some tokens, the others of these whose embeddings point most nearly its way.

    Args:
        embeddings: of shape `(vocabulary, width)`.
        tokens: numbers of tokens.
        count: how many neighbours each has at most.
    """
    numbers = np.array(tokens, np.int64)
    with torch.no_grad():
        units = torch.nn.functional.normalize(embeddings[torch.from_numpy(numbers)].float(), dim=1)
        count = min(count, len(numbers) - 1)
        found: dict[int, NDArray[np.int64]] = {}
        for start in range(0, len(numbers), _ROWS):
            similar = units[start : start + _ROWS] @ units.T
            own = torch.arange(len(similar))
            similar[own, start + own] = -torch.inf
            places = similar.topk(count, dim=1).indices.cpu().numpy()
            found |= zip(numbers[start : start + _ROWS].tolist(), numbers[places], strict=True)
    return found


class _Writer:
    """Writes one version of all rows after the other."""

    def __init__(
        self,
        rows: Mapping[str, list[Any]],
        embeddings: Tensor,
        special: frozenset[int],
        augmentation: Augmentation,
        seed: int,
    ) -> None:
        self._rows = rows
        self._ids: list[list[int]] = rows["input_ids"]
        self._sided = [name for name, column in rows.items() if _is_sided(column, self._ids)]
        self._special = special
        self._longest = max(map(len, self._ids))
        self._settings = augmentation
        self._random = np.random.default_rng(seed)
        used = sorted({token for row in self._ids for token in row} - special)
        self._near = nearest(embeddings, used, augmentation.neighbours)

    def version(self) -> dict[str, list[Any]]:
        """The columns of one version of each row."""
        columns: dict[str, list[Any]] = {
            name: list(column) for name, column in self._rows.items() if name not in self._sided
        }
        written = list(self._written())
        return columns | {name: [row[name] for row in written] for name in self._sided}

    def _written(self) -> Iterator[Row]:
        for place in range(len(self._ids)):
            row = {name: self._rows[name][place] for name in self._sided}
            if self._random.random() < self._settings.spliced and self._is_single(row):
                other = int(self._random.integers(len(self._ids)))
                yield self._spliced(row, {name: self._rows[name][other] for name in self._sided})
            else:
                yield self._changed(row)

    def _is_single(self, row: Row) -> bool:
        """Whether a row is one text between two special tokens."""
        inside = [token in self._special for token in row["input_ids"]]
        return len(inside) > _ENDS and inside[0] and inside[-1] and sum(inside) == _ENDS

    def _spliced(self, row: Row, other: Row) -> Row:
        """The beginning of one text, and the end of another one."""
        if not self._is_single(other):
            return self._changed(row)
        begin = int(self._random.integers(1, len(row["input_ids"]) - 1)) + 1
        end = int(self._random.integers(1, len(other["input_ids"]) - 1))
        end = max(end, begin + len(other["input_ids"]) - self._longest)
        return {name: [*column[:begin], *other[name][end:]] for name, column in row.items()}

    def _changed(self, row: Row) -> Row:
        """Tokens replaced, and in every other row some left out."""
        ids = row["input_ids"]
        chances = self._random.random((2, len(ids)))
        new = [
            int(self._random.choice(near))
            if chance < self._settings.replaced and (near := self._near.get(token, _NONE)).size
            else token
            for token, chance in zip(ids, chances[0], strict=True)
        ]
        drops = self._random.random() < _EVERY_OTHER
        kept = [
            token in self._special or not drops or chance >= self._settings.dropped
            for token, chance in zip(ids, chances[1], strict=True)
        ]
        if sum(kept) == sum(token in self._special for token in ids):
            kept = [True] * len(ids)  # a text of which nothing is left is none
        return {
            name: [one for one, keep in zip(column, kept, strict=True) if keep]
            for name, column in {**row, "input_ids": new}.items()
        }


def _is_sided(column: Sequence[Any], ids: Sequence[Sequence[int]]) -> bool:
    """Whether a column has a number for each token."""
    return all(
        isinstance(one, list) and len(one) == len(row) for one, row in zip(column, ids, strict=True)
    )
