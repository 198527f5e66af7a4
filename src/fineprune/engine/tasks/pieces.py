"""A text that is too long for a model, as windows that overlap."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding

from fineprune.engine.errors import InputError, UnsupportedModelError
from fineprune.wording import quoted

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
        shared: how many tokens neighbours have in common; a quarter of a window if None.

    Raises:
        UnsupportedModelError: there is no room beside the special tokens.
        InputError: windows cannot have so many tokens in common.
    """
    every = np.arange(len(encoding.ids))
    if len(every) <= longest:
        return [Piece(every, np.ones(len(every), np.bool_))]
    text = np.flatnonzero(np.array(encoding.sequence_ids, dtype=object) == 0)
    first, last = int(text[0]), int(text[-1]) + 1
    before, after = every[:first], every[last:]
    room = longest - len(before) - len(after)
    step = room - shared_tokens(longest, longest - room, shared)
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


def shared_tokens(longest: int, special: int, shared: int | None) -> int:
    """How many tokens neighbouring windows have in common.

    Args:
        longest: of a window, special tokens counted.
        special: tokens of each window.
        shared: as for `pieces_of`.

    Raises:
        UnsupportedModelError: there is no room beside the special tokens.
        InputError: windows cannot have so many tokens in common.
    """
    room = longest - special
    if room < 1:
        raise UnsupportedModelError(
            f"the model takes {longest} tokens, no more than the special ones around a text"
        )
    if shared is None:
        return room // _SHARED
    if not isinstance(shared, int) or isinstance(shared, bool) or not 0 <= shared < room:
        raise InputError(f"stride is {quoted(shared)}; expected a whole number, 0 to {room - 1}")
    return shared


def _owners(starts: NDArray[np.int64], room: int, first: int, last: int) -> NDArray[np.int64]:
    """For each token of the text, the number of the window whose middle is nearest."""
    middles = starts + (room - 1) / 2
    borders = (middles[1:] + middles[:-1]) / 2
    return np.searchsorted(borders, np.arange(first, last))
