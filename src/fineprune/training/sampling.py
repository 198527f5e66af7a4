"""The order in which a run sees its examples, where batches hold texts of like length."""

from collections.abc import Iterator
from typing import Any, final

import torch
from torch.utils.data import Sampler
from transformers.trainer_pt_utils import LengthGroupedSampler


@final
class RepeatableSampler(Sampler[int]):
    """Draws each epoch's order from the seed and the epoch, so that a resumed run goes on in it.

    A `LengthGroupedSampler` alone draws from whatever state the global generator is in.

    Args:
        sampler: what makes the order.
        seed: of the run.
    """

    def __init__(self, sampler: LengthGroupedSampler, seed: int) -> None:
        self._sampler: Any = sampler
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Says which epoch comes next; `accelerate` calls it."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[int]:
        self._sampler.generator = torch.Generator().manual_seed(self._seed + self._epoch)
        return iter(self._sampler)

    def __len__(self) -> int:
        return len(self._sampler)
