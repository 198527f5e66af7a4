"""Sparse matrices made ready for the native kernel, found again by the tensors they come from."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any, final

from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

from fineprune.engine import _native

_Key = tuple[int, ...]
_State = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class _Entry:
    """A matrix that was prepared.

    Attributes:
        storages: of the tensors it comes from: an address may be another tensor's once they are
            gone.
        state: of those tensors at that time.
        matrix: the matrix.
    """

    storages: tuple[Any, ...]
    state: _State
    matrix: _native.Matrix

    @property
    def expired(self) -> bool:
        return any(storage.expired() for storage in self.storages)


@final
class Prepared:
    """Matrices that were prepared, for as long as the tensors they come from live."""

    def __init__(self) -> None:
        self._entries: dict[_Key, _Entry] = {}
        self._lock = Lock()

    def get(
        self,
        in_features: int,
        row_pointers: Tensor,
        columns: Tensor,
        values: Tensor,
        prepare: Callable[[], _native.Matrix],
    ) -> _native.Matrix:
        """The matrix of these tensors as they are now.

        Args:
            in_features: columns of the matrix.
            row_pointers: of its rows.
            columns: of its kept weights.
            values: of its kept weights.
            prepare: makes it.
        """
        parts = row_pointers, columns, values
        key = (in_features, *(number for part in parts for number in (part.data_ptr(), len(part))))
        state = _state(row_pointers, columns, values)
        entry = self._entries.get(key)
        if entry is None or entry.state != state or entry.expired:
            storages: Any = [StorageWeakRef(part.untyped_storage()) for part in parts]  # type: ignore[no-untyped-call]
            entry = _Entry(tuple(storages), state, prepare())
            self._keep(key, entry)
        return entry.matrix

    def _keep(self, key: _Key, entry: _Entry) -> None:
        with self._lock:
            alive = {key: one for key, one in self._entries.items() if not one.expired}
            self._entries = alive | {key: entry}

    def unlock(self) -> None:
        """In a process that was forked, where the thread that holds the lock may not exist."""
        self._lock = Lock()


def _state(row_pointers: Tensor, columns: Tensor, values: Tensor) -> _State:
    """What tells whether tensors have changed.

    PyTorch counts changes, but not those through `Tensor.data` or NumPy, by which weights are often
    changed: of values the content counts as well. Tensors of inference mode count nothing.
    """
    counted = (_changes(row_pointers), _changes(columns), _changes(values))
    return (*counted, _native.checksum(values.detach().numpy()))


def _changes(part: Tensor) -> int:
    return _native.checksum(part.numpy()) if part.is_inference() else part._version
