"""Token arrays checked and compacted: sequences one after another, padding left out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fineprune.engine.errors import InputError

_LANES = 16  # sequences start at multiples of it in memory

Tokens = NDArray[np.int32]
Mask = NDArray[np.bool_]
Positions = Callable[[NDArray[Any]], NDArray[Any]]


Length = TypeVar("Length", int, Tokens)


def room(length: Length) -> Length:
    """How many tokens' memory a sequence takes, whose length this is."""
    return -(-length // _LANES) * _LANES


@dataclass(frozen=True, eq=False)
class Sequences:
    """Sequences without padding, one after another.

    Attributes:
        tokens: int32 of shape `(tokens of all sequences,)`.
        positions: rows of the position table, of the same shape.
        types: rows of the token type table, of the same shape.
        lengths: int32 of shape `(sequences,)`.
        places: of tokens in their row, of the same shape as these; None where they stand one after
            another, or where it does not matter.
    """

    tokens: Tokens
    positions: Tokens
    types: Tokens
    lengths: Tokens
    places: Tokens | None = None

    def parts(self, most: int) -> Iterator[tuple[slice, "Sequences"]]:
        """Runs of neighbours that take room for so many tokens at most, and which rows they are.

        A sequence that alone takes more is a part of its own.
        """
        if len(self.tokens) + (_LANES - 1) * len(self.lengths) <= most:  # whatever the lengths are
            yield slice(None), self
            return
        rooms = room(self.lengths)
        ends, taken = [], 0
        for row, one in enumerate(rooms.tolist()):
            if taken + one > most and taken > 0:
                ends.append(row)
                taken = 0
            taken += one
        limits = np.concatenate([[0], np.cumsum(self.lengths)])
        for first, end in pairwise([0, *ends, len(rooms)]):
            own = slice(int(limits[first]), int(limits[end]))
            yield (
                slice(first, end),
                Sequences(
                    self.tokens[own],
                    self.positions[own],
                    self.types[own],
                    self.lengths[first:end],
                    None if self.places is None else self.places[own],
                ),
            )


@dataclass(frozen=True)
class InputRules:
    """What a model's inputs must be like.

    Attributes:
        vocabulary: number of token ids.
        types: number of token types.
        positions: number of rows of the position table.
        number: rows of the position table for token ids of shape `(batch, tokens)`.
        distances: whether it matters how far apart two tokens of a row stand.
    """

    vocabulary: int
    types: int
    positions: int
    number: Positions
    distances: bool = False

    @property
    def most_tokens(self) -> int:
        """The longest sequence."""
        # Positions count up one by one from where the architecture starts; its padding token,
        # whichever that is, would not.
        first = int(self.number(np.full((1, 1), -1)).item())
        return self.positions - first

    def compact(
        self, input_ids: ArrayLike, attention_mask: ArrayLike | None, types: ArrayLike | None
    ) -> tuple[Sequences, Mask]:
        """Checks arrays of shape `(batch, tokens)` and leaves out what the mask does.

        Returns:
            The sequences, and the mask: where their tokens stood.

        Raises:
            InputError: an array is not as it must be; the message says where.
        """
        ids = _integers("input_ids", input_ids)
        if ids.ndim != 2 or ids.size == 0:
            raise InputError(
                f"input_ids has shape {ids.shape}; expected (batch, tokens), both at least 1"
            )
        mask = _mask(attention_mask, ids.shape)
        counted = _counted(mask)
        tokens = counted(ids)
        if _is_outside(tokens, self.vocabulary):
            raise _range_error("input_ids", ids, mask, self.vocabulary)
        positions = counted(self.number(ids))
        if positions.max() >= self.positions:
            raise InputError(
                f"input_ids has {ids.shape[1]} tokens a row; "
                f"the model has positions for {self.most_tokens}"
            )
        sequences = Sequences(
            tokens.astype(np.int32),
            positions.astype(np.int32),
            np.zeros(len(tokens), np.int32) if types is None else self._types(types, mask),
            mask.sum(axis=1, dtype=np.int32),
            _places(mask) if self.distances else None,
        )
        return sequences, mask

    def _types(self, types: ArrayLike, mask: Mask) -> Tokens:
        kinds = _of_shape("token_type_ids", types, mask.shape)
        counted = _counted(mask)(kinds)
        if _is_outside(counted, self.types):
            raise _range_error("token_type_ids", kinds, mask, self.types)
        return counted.astype(np.int32)

    def join(self, ids: Sequence[Sequence[int]], types: Sequence[Sequence[int]]) -> Sequences:
        """Sequences of the model's own tokenizer, none of them too long.

        Raises:
            InputError: the tokenizer has more tokens than the model.
        """
        tokens = np.concatenate([np.asarray(row, np.int64) for row in ids])
        kinds = np.concatenate([np.asarray(row, np.int64) for row in types])
        if tokens.max() >= self.vocabulary:
            raise InputError(
                f"the tokenizer gives token {tokens.max()}; the model knows {self.vocabulary:,}"
            )
        positions = np.concatenate([self.number(np.asarray([row]))[0] for row in ids])
        # Some tokenizers tell pairs apart, not their models.
        kinds = np.minimum(kinds, self.types - 1)
        return Sequences(
            tokens.astype(np.int32),
            positions.astype(np.int32),
            kinds.astype(np.int32),
            np.array([len(row) for row in ids], np.int32),
        )


def scatter(values: NDArray[np.float32], mask: Mask, padding: float) -> NDArray[np.float32]:
    """Puts values of tokens where the tokens stood.

    Args:
        values: of shape `(tokens of all sequences, ...)`.
        mask: of shape `(batch, tokens)`.
        padding: what stands elsewhere.
    """
    result = np.full(mask.shape + values.shape[1:], padding, np.float32)
    result[mask] = values
    return result


def _integers(name: str, values: ArrayLike) -> NDArray[Any]:
    try:
        array = np.asarray(values)
    except ValueError as error:  # rows of different lengths
        raise InputError(f"{name} is no array: {error}") from error
    if array.dtype.kind not in "iu" and array.size:
        raise InputError(f"{name} is of type {array.dtype}; expected integers")
    return array


def _of_shape(name: str, values: ArrayLike, shape: tuple[int, ...]) -> NDArray[Any]:
    array = _integers(name, values)
    if array.shape != shape:
        raise InputError(f"{name} has shape {array.shape}; expected that of input_ids, {shape}")
    return array


def _mask(values: ArrayLike | None, shape: tuple[int, ...]) -> Mask:
    if values is None:
        return np.ones(shape, np.bool_)
    if np.asarray(values).dtype == np.bool_:
        values = np.asarray(values).astype(np.int32)
    array = _of_shape("attention_mask", values, shape)
    mask: Mask = array == 1
    if mask.all():
        return mask
    wrong = (array != 0) & ~mask
    if wrong.any():
        raise InputError(f"attention_mask holds {array[wrong][0]}; expected 0 and 1 only")
    if not mask.any(axis=1).all():
        row = int(np.flatnonzero(~mask.any(axis=1))[0])
        raise InputError(f"attention_mask[{row}] is all zeros; expected at least one token")
    return mask


def _counted(mask: Mask) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """What takes, of an array of the mask's shape, all that counts, row by row."""
    if mask.all():
        return lambda values: values.reshape(-1)
    return lambda values: values[mask]


def _places(mask: Mask) -> Tokens | None:
    """Places of all that counts; None where it stands together in each row."""
    starts = np.diff(mask.astype(np.int8), axis=1, prepend=0) > 0
    if starts.sum() == len(mask):
        return None
    return np.nonzero(mask)[1].astype(np.int32)


def _is_outside(values: NDArray[Any], count: int) -> bool:
    # Negative numbers become very large ones: one comparison instead of two.
    return bool(values.astype(np.uint64).max() >= count)


def _range_error(name: str, values: NDArray[Any], mask: Mask, count: int) -> InputError:
    wrong = ((values < 0) | (values >= count)) & mask
    row, column = (int(index) for index in np.argwhere(wrong)[0])
    return InputError(
        f"{name}[{row}, {column}] is {values[row, column]}; expected 0 to {count - 1:,}"
    )
