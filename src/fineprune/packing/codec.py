"""Tensors as records, whatever their layout."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fineprune.packing.cursor import Cursor
from fineprune.packing.dense import plan_dense, read_dense
from fineprune.packing.header import SPARSE_KINDS, TYPES, Header, Kind, Layout
from fineprune.packing.plan import Plan
from fineprune.packing.sparse import plan_sparse, read_sparse
from fineprune.packing.tables import Table
from fineprune.packing.tensors import DenseTensor, SparseTensor, Tensor

_READERS: Mapping[Layout, Callable[[Header, Cursor, Sequence[Table]], Tensor]] = {
    Layout.DENSE: read_dense,
    Layout.SPARSE: read_sparse,
}
_KINDS: dict[np.dtype[Any], Kind] = {
    types.value: kind for kind, types in TYPES.items() if kind is not Kind.CODES
}


MOST_KEPT = 1 / 3
"""Share of kept weights up to which a matrix is stored as sparse; vectors are always dense.

In bytes the layouts are equals: the entropy of a mask and of the kept values is that of the values
with zeros among them. So memory decides, in which a kept weight takes three bytes (its code and a
column index) and a cell of a dense matrix one. Up to there the sparse layout also decodes faster.
"""


def storable(dtype: np.dtype[Any]) -> bool:
    """Whether values of this type have a kind of their own."""
    return dtype in _KINDS


def lay_out(tensor: DenseTensor) -> tuple[Tensor, Plan]:
    """The tensor in the layout that suits it, and how to store it."""
    kind = _kind(tensor)
    is_matrix = min(tensor.values.shape) > 1
    if kind in SPARSE_KINDS and is_matrix and tensor.kept <= MOST_KEPT * tensor.values.size:
        matrix = SparseTensor.of(tensor.shape, tensor.values, tensor.scales)
        return matrix, plan_sparse(matrix, kind)
    return tensor, plan_dense(tensor, kind)


def _kind(tensor: DenseTensor) -> Kind:
    return Kind.CODES if tensor.scales is not None else _KINDS[tensor.values.dtype]


def read(header: Header, cursor: Cursor, tables: Sequence[Table]) -> Tensor:
    """The tensor of a record whose header has been read.

    Raises:
        PackedFileError: the record is damaged.
    """
    return _READERS[header.layout](header, cursor, tables)
