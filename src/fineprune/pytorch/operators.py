"""`torch.ops.fineprune.sparse_linear`: a linear layer of a sparse matrix, for CPU and inference.

Its inputs are tensors and nothing else, so that whatever traces, exports or stores a model treats
it as any other operator. What the native kernel needs is prepared when a matrix is first seen.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

from fineprune.engine import _native
from fineprune.engine.native import choose_instruction_set

_LEAST_TOKENS = 64  # for a thread of its own: one tile of the kernel

_Key = tuple[int, ...]


class _Prepared:
    """Matrices that were prepared, for as long as the storage of their values lives."""

    def __init__(self) -> None:
        self._matrices: dict[_Key, tuple[Any, _native.Matrix]] = {}
        self._lock = Lock()

    def get(
        self, key: _Key, values: Tensor, prepare: Callable[[], _native.Matrix]
    ) -> _native.Matrix:
        with self._lock:
            # An address may be another tensor's once the storage is gone.
            alive = {key: pair for key, pair in self._matrices.items() if not pair[0].expired()}
            if key not in alive:
                storage: Any = StorageWeakRef(values.untyped_storage())  # type: ignore[no-untyped-call]
                alive[key] = storage, prepare()
            self._matrices = alive
            return alive[key][1]


_prepared = _Prepared()


@torch.library.custom_op("fineprune::sparse_linear", mutates_args=(), device_types="cpu")
def sparse_linear(
    x: Tensor,
    row_pointers: Tensor,
    columns: Tensor,
    values: Tensor,
) -> Tensor:
    """`x @ W.T` for a sparse W of shape `(out, in)`.

    Args:
        x: float32 of shape `(..., in)`.
        row_pointers: int32 of shape `(out + 1,)`: where each row starts in the next two.
        columns: int32 of shape `(kept,)`.
        values: float32 of shape `(kept,)`.

    Returns:
        Float32 of shape `(..., out)`.
    """
    parts = (row_pointers, columns, values)
    key = (x.shape[-1], *(number for part in parts for number in (part.data_ptr(), part._version)))

    def prepare() -> _native.Matrix:
        return _native.Matrix.sparse(
            len(row_pointers) - 1,
            x.shape[-1],
            row_pointers.numpy(),
            columns.numpy().astype(np.uint32),
            values.numpy(),
            None,
            precision="float32",
            instruction_set=choose_instruction_set(),
        )

    rows = x.detach().reshape(-1, x.shape[-1]).contiguous().numpy()
    product = _multiply(_prepared.get(key, values, prepare), rows)
    return torch.from_numpy(product).reshape(*x.shape[:-1], len(row_pointers) - 1)


@sparse_linear.register_fake
def _(x: Tensor, row_pointers: Tensor, columns: Tensor, values: Tensor) -> Tensor:
    return x.new_empty((*x.shape[:-1], row_pointers.shape[0] - 1))


def _multiply(matrix: _native.Matrix, rows: NDArray[np.float32]) -> NDArray[Any]:
    """The product of shape `(tokens, out)`, tokens divided among as many threads as PyTorch has."""
    chunks = min(torch.get_num_threads(), len(rows) // _LEAST_TOKENS)
    if chunks < 2:
        return matrix.multiply(rows)
    return np.concatenate(list(_threads().map(matrix.multiply, np.array_split(rows, chunks))))


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_name_prefix="fineprune")
