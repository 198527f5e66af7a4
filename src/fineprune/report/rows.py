"""A task's texts as token ids, and what a model says of all of them. Needs numpy alone."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

Inputs = Mapping[str, NDArray[Any]]
"""`input_ids`, `attention_mask` and, where texts have them, `token_type_ids`: int64 of shape
`(batch, tokens)`."""

Run = Callable[[Inputs], Sequence[NDArray[Any]]]
"""What an engine says of a batch: float32, `(batch, outputs)`, `(batch, tokens)` each, or
`(batch, tokens, outputs)`."""

_NAMES = ("input_ids", "attention_mask", "token_type_ids")
_MOST_TOKENS = 4096  # of a batch, padding counted


@final
@dataclass(frozen=True)
class Rows:
    """Model inputs of any lengths.

    Attributes:
        columns: by name, of `input_ids` and others, the numbers of each row.
    """

    columns: Mapping[str, Sequence[Sequence[int]]]

    @classmethod
    def of(cls, features: Any) -> Self:
        """The rows of a data set of model inputs, whose other columns are left out."""
        rows = features.with_format(None)
        columns = {name: rows[name][:] for name in _NAMES if name in rows.column_names}
        if "attention_mask" not in columns:
            columns["attention_mask"] = [[1] * len(row) for row in columns["input_ids"]]
        return cls({name: columns[name] for name in _NAMES if name in columns})

    @classmethod
    def read(cls, file: Path) -> Self:
        """Reads what `write` wrote."""
        with np.load(file, allow_pickle=False) as content:
            ends = np.cumsum(content["lengths"])
            return cls(
                {
                    name: [part.tolist() for part in np.split(content[name], ends[:-1])]
                    for name in _NAMES
                    if name in content
                }
            )

    def write(self, file: Path) -> None:
        """Writes them to a file of numpy's."""
        content: dict[str, Any] = {
            name: np.concatenate([*rows, np.zeros(0, np.int64)])
            for name, rows in self.columns.items()
        }
        np.savez(file, lengths=np.array(self.lengths, np.int64), **content)

    def __len__(self) -> int:
        return len(self.columns["input_ids"])

    @property
    def lengths(self) -> list[int]:
        """Tokens of each row."""
        return [len(row) for row in self.columns["input_ids"]]

    def pick(self, places: Sequence[int]) -> Self:
        """Some of the rows, in the order of `places`."""
        return type(self)(
            {name: [rows[place] for place in places] for name, rows in self.columns.items()}
        )

    def inputs(self, places: Sequence[int]) -> Inputs:
        """Some of the rows as one batch; zeros stand behind those that are shorter."""
        return {
            name: _padded([rows[place] for place in places]) for name, rows in self.columns.items()
        }

    def batches(self, size: int | None = None) -> Iterator[list[int]]:
        """Places of rows of like length, the longest first: all rows, each once.

        Args:
            size: rows of a batch; without it, as many as 4096 tokens hold.
        """
        lengths = self.lengths
        order = sorted(range(len(lengths)), key=lambda place: -lengths[place])
        while order:
            count = size or max(1, _MOST_TOKENS // max(1, lengths[order[0]]))
            yield order[:count]
            order = order[count:]


def outputs_of(run: Run, rows: Rows) -> tuple[NDArray[Any], ...]:
    """What a model says of all rows, in their order.

    What stands behind what is said of the tokens of shorter rows means nothing.

    Returns:
        Float32: `(rows, outputs)` or `(rows, longest, outputs)` of the only output, or
        `(rows, longest)` of several.
    """
    found: list[NDArray[Any]] = []
    for places in rows.batches():
        said = run(rows.inputs(places))
        for number, values in enumerate(said):
            if len(found) == number:
                whole = len(said) == 1 and values.ndim == 2
                width = values.shape[1] if whole else max(rows.lengths)
                found.append(np.zeros((len(rows), width, *values.shape[2:]), np.float32))
            found[number][places, : values.shape[1]] = values
    return tuple(found)


def _padded(rows: list[Sequence[int]]) -> NDArray[np.int64]:
    longest = max(map(len, rows))
    return np.array([[*row, *[0] * (longest - len(row))] for row in rows], np.int64)
