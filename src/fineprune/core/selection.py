"""Exact selection of the largest values, without sorting them.

Ranking happens some hundred times a run, over all weights that compete. Sorting 10 million values
takes a second on one CPU core and `torch.kthvalue` 150 ms. Here a sample says between which two
values the answer lies, one pass marks what is above, and only the values between the two are
ranked: 20 to 30 ms, and no copy of the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

_SAMPLE = 1 << 16
"""Values that a sample holds at most; the answer lies between two of its ranks nearly always."""

_SPARSENESS = 16
"""A sample holds at most one value in so many, since it is ranked itself."""

_SMALL = 1 << 17
"""So many values are ranked as they are."""

_MARGIN = 6.0
"""How far from the expected rank those two lie, in standard deviations of the sample's ranks."""


@final
@dataclass(frozen=True)
class _Candidates:
    """The values near the k-th largest of several flat arrays, and what is known to be above.

    Attributes:
        above: boolean, of each array: what is larger than all candidates.
        places: of each array: where its candidates are.
        values: all candidates, those of one array behind those of the one before.
        rank: of the answer among them, counted from 1.
    """

    above: list[Tensor]
    places: list[Tensor]
    values: Tensor
    rank: int

    def cut(self) -> Tensor:
        """The answer."""
        return _ranked([self.values], self.rank)

    def marked(self) -> list[Tensor]:
        """What is above, and the largest candidates, of equal ones the first: k values in all."""
        cut = self.cut()
        chosen = self.values > cut
        ties = torch.nonzero(self.values == cut).reshape(-1)
        chosen[ties[: self.rank - int(torch.count_nonzero(chosen))]] = True
        lengths = [len(places) for places in self.places]
        for mask, places, its_chosen in zip(
            self.above, self.places, torch.split(chosen, lengths), strict=True
        ):
            mask[places[its_chosen]] = True
        return self.above


def kth_largest(values: Sequence[Tensor], k: int) -> Tensor:
    """The k-th largest of all values (counted from 1), as a scalar float32 tensor.

    Args:
        values: arrays of any shapes on one device, finite, compared in float32.
        k: from 1 to the number of values.
    """
    flat = _flat(values)
    candidates = _candidates(flat, k)
    return _ranked(flat, k) if candidates is None else candidates.cut()


def keep_largest(values: Tensor, count: int) -> Tensor:
    """Marks the `count` largest values; among equals, those that come first in row-major order.

    Args:
        values: array of any shape, finite, compared in float32.
        count: how many to mark; clamped to what there is.

    Returns:
        Boolean array of the shape of `values`, with exactly `count` entries true.
    """
    return keep_largest_of_all([values], count)[0]


def keep_largest_of_all(values: Sequence[Tensor], count: int) -> list[Tensor]:
    """Marks the `count` largest values of several arrays together.

    Among equals those of the earlier array come first, and within one those that come first in
    row-major order.

    Args:
        values: arrays of any shapes on one device, finite, compared in float32.
        count: how many to mark in all; clamped to what there is.

    Returns:
        Boolean arrays of the shapes of `values`, with `count` entries true in all.
    """
    total = sum(one.numel() for one in values)
    if count <= 0:
        return [torch.zeros_like(one, dtype=torch.bool) for one in values]
    if count >= total:
        return [torch.ones_like(one, dtype=torch.bool) for one in values]
    flat = _flat(values)
    candidates = _candidates(flat, count)
    marked = _marked(flat, count) if candidates is None else candidates.marked()
    return [mask.view(one.shape) for mask, one in zip(marked, values, strict=True)]


def keep_with_floors(
    values: Sequence[Tensor], count: int, floors: Sequence[int]
) -> tuple[list[Tensor], set[int]]:
    """As `keep_largest_of_all`, where no array keeps fewer than its floor.

    An array that would is given exactly its floor; the others share what is left.

    Args:
        values: arrays of any shapes on one device, finite, compared in float32.
        count: how many to mark in all; at least the sum of the floors.
        floors: how many of each array are marked whatever the others hold.

    Returns:
        The masks, and the indices of the arrays whose floor decided.
    """
    masks: list[Tensor] = [torch.empty(0)] * len(values)
    held: set[int] = set()
    free = list(range(len(values)))
    while free:
        left = count - sum(floors[i] for i in held)
        found = keep_largest_of_all([values[i] for i in free], left)
        short = {i for i, kept in zip(free, counts_of(found), strict=True) if kept < floors[i]}
        if not short:
            for i, mask in zip(free, found, strict=True):
                masks[i] = mask
            break
        held |= short
        free = [i for i in free if i not in short]
    for i in held:
        masks[i] = keep_largest(values[i], floors[i])
    return masks, held


def counts_of(masks: Sequence[Tensor]) -> list[int]:
    """How many entries of each boolean array are true; an accelerator waits once for all."""
    return torch.stack([torch.count_nonzero(mask) for mask in masks]).tolist()


def _flat(values: Sequence[Tensor]) -> list[Tensor]:
    return [one.detach().float().reshape(-1) for one in values]


def _marked(flat: Sequence[Tensor], count: int) -> list[Tensor]:
    """The `count` largest of few values, or of values on an accelerator."""
    cut = _ranked(flat, count)
    keep = [one >= cut for one in flat]
    surplus = sum(counts_of(keep)) - count
    for one, its_keep in zip(reversed(flat), reversed(keep), strict=True):
        if surplus <= 0:
            break
        ties = torch.nonzero(one == cut).reshape(-1)[-surplus:]
        its_keep[ties] = False
        surplus -= len(ties)
    return keep


def _candidates(flat: Sequence[Tensor], k: int) -> _Candidates | None:
    """The values near the k-th largest; None where ranking all of them is as well."""
    total = sum(one.numel() for one in flat)
    # Sizes that depend on the data would make an accelerator wait at each of the steps below.
    if total <= _SMALL or flat[0].device.type != "cpu":
        return None
    low, high = _bracket(flat, k, total)
    above = [one > high for one in flat]
    places = [
        torch.nonzero((one >= low).logical_xor_(mask)).reshape(-1)
        for one, mask in zip(flat, above, strict=True)
    ]
    rank = k - sum(counts_of(above))
    if not 0 < rank <= sum(len(one) for one in places):
        return None  # the sample was unlucky
    values = torch.cat([one[its_places] for one, its_places in zip(flat, places, strict=True)])
    return _Candidates(above, places, values, rank)


def _ranked(values: Sequence[Tensor], k: int) -> Tensor:
    together = torch.cat(list(values)) if len(values) > 1 else values[0]
    return torch.kthvalue(together, together.numel() - k + 1).values


def _bracket(flat: Sequence[Tensor], k: int, total: int) -> tuple[Tensor, Tensor]:
    """Two values with the k-th largest between them, unless the sample is unlucky."""
    # Every so many-th value, from a place that differs from array to array: rows of a matrix are
    # alike, and a stride that divides their length would see few columns only.
    stride = max(_SPARSENESS, -(-total // _SAMPLE)) | 1
    sample = torch.cat([one[i % stride :: stride] for i, one in enumerate(flat)])
    size = sample.numel()
    share = k / total
    rank = share * size
    spread = _MARGIN * (size * share * (1 - share)) ** 0.5 + 1
    highest, lowest = max(1, int(rank - spread)), min(size, int(rank + spread) + 1)
    # Where the answer is among the first or last of the sample, the bracket has no end there.
    high = _ranked([sample], highest) if highest > 1 else sample.new_tensor(torch.inf)
    low = _ranked([sample], lowest) if lowest < size else sample.new_tensor(-torch.inf)
    return low, high
