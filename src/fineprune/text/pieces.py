"""A text that is too long for a model, as windows that overlap."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding

from fineprune.errors import UnsupportedModelError

Floats = NDArray[np.float32]

_SHARED = 4  # neighbours share one in so many tokens


@dataclass(frozen=True, eq=False)
class Piece:
    """A window.

    Attributes:
        places: of its tokens in the whole encoding, special tokens included, shape `(tokens,)`.
        best: which of these tokens no other window has more of the text around, shape `(tokens,)`.
    """

    places: NDArray[np.int64]
    best: NDArray[np.bool_]


def pieces_of(encoding: Encoding, longest: int, shared: int | None = None) -> list[Piece]:
    """Windows of at most so many tokens, each with the special tokens of the whole.

    Args:
        encoding: of a text that was not cut.
        longest: special tokens counted.
        shared: how many tokens neighbours have in common, if there is room for more; a quarter of
            a window if None.

    Raises:
        UnsupportedModelError: there is no room beside the special tokens.
    """
    every = np.arange(len(encoding.ids))
    if len(every) <= longest:
        return [Piece(every, np.ones(len(every), np.bool_))]
    text = np.flatnonzero(np.array(encoding.sequence_ids, dtype=object) == 0)
    first, last = int(text[0]), int(text[-1]) + 1
    before, after = every[:first], every[last:]
    room = room_for_text(longest, len(before) + len(after))
    step = room - min(room // _SHARED if shared is None else shared, room - 1)
    starts = np.minimum(np.arange(first, last - room + step, step), last - room)
    owner = _owners(starts, room, first, last)
    return [
        Piece(
            np.concatenate([before, np.arange(start, start + room), after]),
            np.concatenate(
                [
                    np.zeros(len(before), np.bool_),
                    owner[start - first : start - first + room] == number,
                    np.zeros(len(after), np.bool_),
                ]
            ),
        )
        for number, start in enumerate(starts.tolist())
    ]


def joined(pieces: Sequence[Piece], parts: Sequence[Floats], tokens: int) -> Floats:
    """What is said of each token of a whole, by the piece that has most of the text around it.

    Args:
        pieces: of the whole.
        parts: what is said of the tokens of each, of shape `(tokens, classes)`; what stands behind
            them does not matter.
        tokens: of the whole.

    Returns:
        Of shape `(tokens, classes)`; of special tokens it means nothing.
    """
    values = np.zeros((tokens, parts[0].shape[1]), np.float32)
    for piece, part in zip(pieces, parts, strict=True):
        values[piece.places[piece.best]] = part[: len(piece.places)][piece.best]
    return values


def room_for_text(longest: int, special: int) -> int:
    """How many tokens of a text a window has.

    Args:
        longest: of a window, special tokens counted.
        special: tokens of each window.

    Raises:
        UnsupportedModelError: there is none.
    """
    if longest <= special:
        raise UnsupportedModelError(
            f"the model takes {longest} tokens, no more than the special ones around a text"
        )
    return longest - special


def _owners(starts: NDArray[np.int64], room: int, first: int, last: int) -> NDArray[np.int64]:
    """For each token of the text, the number of the window whose middle is nearest."""
    middles = starts + (room - 1) / 2
    borders = (middles[1:] + middles[:-1]) / 2
    return np.searchsorted(borders, np.arange(first, last))
