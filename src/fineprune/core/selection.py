"""Exact selection of the largest values, without sorting them.

Ranking happens at every optimizer step of a ranked method, over all weights that compete. Sorting
10 million values takes a second on one CPU core and `torch.kthvalue` 150 ms. Here a sample says
between which two values the answer lies, one pass counts what is above, and only the values
between the two are ranked: 25 ms, and no copy of the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

_SAMPLE = 1 << 16
"""Values that a sample holds at most; the answer lies between two of its ranks nearly always."""

_MARGIN = 6.0
"""How far from the expected rank those two lie, in standard deviations of the sample's ranks."""


@final
@dataclass(frozen=True)
class _Bracket:
    """Two values with the answer between them."""

    low: Tensor
    high: Tensor


def kth_largest(values: Sequence[Tensor], k: int) -> Tensor:
    """The k-th largest of all values (counted from 1), as a scalar float32 tensor.

    Args:
        values: arrays of any shapes on one device, finite, compared in float32.
        k: from 1 to the number of values.
    """
    flat = [one.detach().float().reshape(-1) for one in values]
    total = sum(one.numel() for one in flat)
    # Sizes that depend on the data would make an accelerator wait at each of the steps below.
    if total <= 2 * _SAMPLE or flat[0].device.type != "cpu":
        return _ranked(flat, k)
    bracket = _bracket(flat, k, total)
    above = sum(counts_of([one > bracket.high for one in flat]))
    between = [one[(one >= bracket.low) & (one <= bracket.high)] for one in flat]
    if 0 < k - above <= sum(one.numel() for one in between):
        return _ranked(between, k - above)
    return _ranked(flat, k)  # the sample was unlucky, or many values are equal


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
    cut = kth_largest(values, count)
    keep = [(one.detach().float() >= cut).contiguous() for one in values]
    surplus = sum(counts_of(keep)) - count
    for one, its_keep in zip(reversed(values), reversed(keep), strict=True):
        if surplus <= 0:
            break
        surplus -= _drop_last(its_keep, one.detach().float() == cut, surplus)
    return keep


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


def _drop_last(keep: Tensor, ties: Tensor, surplus: int) -> int:
    """Clears the last `surplus` ties of a mask in place, or all there are; says how many."""
    places = torch.nonzero(ties.reshape(-1)).reshape(-1)[-surplus:]
    keep.view(-1)[places] = False
    return places.numel()


def _ranked(values: Sequence[Tensor], k: int) -> Tensor:
    together = torch.cat(list(values)) if len(values) > 1 else values[0]
    return torch.kthvalue(together, together.numel() - k + 1).values


def _bracket(values: Sequence[Tensor], k: int, total: int) -> _Bracket:
    # Every so many-th value, from a place that differs from array to array: rows of a matrix are
    # alike, and a stride that divides their length would see few columns only.
    stride = -(-total // _SAMPLE) | 1
    sample = torch.cat([one[i % stride :: stride] for i, one in enumerate(values)])
    size = sample.numel()
    share = k / total
    rank = share * size
    spread = _MARGIN * (size * share * (1 - share)) ** 0.5 + 1
    highest, lowest = max(1, int(rank - spread)), min(size, int(rank + spread) + 1)
    # Where the answer is among the first or last of the sample, the bracket has no end there.
    high = _ranked([sample], highest) if highest > 1 else sample.new_tensor(torch.inf)
    low = _ranked([sample], lowest) if lowest < size else sample.new_tensor(-torch.inf)
    return _Bracket(low, high)
