"""`torch.ops.fineprune.sparse_linear`: a linear layer of a sparse matrix, for CPU and inference.

Its inputs are tensors and nothing else, so that whatever traces, exports or stores a model treats
it as any other operator. What the native kernel needs is prepared when a matrix is first seen.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fineprune.engine import _native
from fineprune.engine.native import choose_instruction_set
from fineprune.pytorch.prepared import Prepared

_LEAST_TOKENS = 64  # for a thread of its own: one tile of the kernel

_prepared = Prepared()


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
    matrix = _prepared.get(x.shape[-1], row_pointers, columns, values, prepare)
    product = _multiply(matrix, rows)
    return torch.from_numpy(product).reshape(*x.shape[:-1], len(row_pointers) - 1)


@sparse_linear.register_fake
def _(x: Tensor, row_pointers: Tensor, columns: Tensor, values: Tensor) -> Tensor:
    return x.new_empty((*x.shape[:-1], row_pointers.shape[0] - 1))


def _multiply(matrix: _native.Matrix, rows: NDArray[np.float32]) -> NDArray[Any]:
    """The product of shape `(tokens, out)`, tokens divided among as many threads as PyTorch has."""
    chunks = min(torch.get_num_threads(), len(rows) // _LEAST_TOKENS)
    if chunks < 2:
        return matrix.multiply(rows)
    mine, *others = np.array_split(rows, chunks)
    results = [_start(matrix, part) for part in others]
    return np.concatenate([matrix.multiply(mine), *(result() for result in results)])


def _start(matrix: _native.Matrix, rows: NDArray[np.float32]) -> Callable[[], NDArray[Any]]:
    """Begins a product on another thread; what this returns waits for it."""
    try:
        return _threads().submit(matrix.multiply, rows).result
    except RuntimeError:  # the system starts no more threads: whoever wants the product makes it
        return partial(matrix.multiply, rows)


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_name_prefix="fineprune")


def _start_anew() -> None:
    """In a process that was forked: the threads are gone, and a lock may be held for ever."""
    _threads.cache_clear()
    _prepared.unlock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)
