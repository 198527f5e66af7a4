"""What a training loss is made of, part by part, between two lines of the log."""

from collections.abc import Mapping
from typing import final

from torch import Tensor


@final
class LossParts:
    """Means of the parts of the loss, over the batches since they were last taken.

    Sums stay on the device: a number is read, and a GPU waited for, only when it is logged.
    """

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._batches: dict[str, int] = {}

    def add(self, parts: Mapping[str, Tensor]) -> None:
        """Takes in one batch.

        Args:
            parts: scalars by name; one that a batch has not does not count for it.
        """
        for name, part in parts.items():
            value = part.detach()
            self._sums[name] = self._sums[name] + value if name in self._sums else value
            self._batches[name] = self._batches.get(name, 0) + 1

    def take(self) -> dict[str, float]:
        """The means by name; the next ones begin here."""
        means = {name: float(total) / self._batches[name] for name, total in self._sums.items()}
        self._sums, self._batches = {}, {}
        return means
