"""A linear layer whose zeros take neither memory nor time."""

from typing import final

import numpy as np
import torch
from torch import Tensor, nn

from fineprune.packing import SparseTensor
from fineprune.pytorch.operators import sparse_linear


@final
class SparseLinear(nn.Module):
    """`x @ W.T + bias` for a sparse W, for inference on a CPU.

    Args:
        weight: W, of shape `(out, in)`, its values float32.
        bias: of shape `(out,)`, if there is one.
    """

    row_pointers: Tensor
    columns: Tensor
    values: Tensor

    def __init__(self, weight: SparseTensor, bias: nn.Parameter | None) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        self.register_buffer("row_pointers", torch.tensor(weight.row_pointers))
        self.register_buffer("columns", torch.tensor(weight.columns.astype(np.int32)))
        self.register_buffer("values", torch.tensor(weight.values))
        self.bias = bias

    def forward(self, x: Tensor) -> Tensor:
        """Of shape `(..., out)` and x's type, for x of shape `(..., in)`; computed in float32."""
        y: Tensor = sparse_linear(x.float(), self.row_pointers, self.columns, self.values)
        if self.bias is not None:
            y = y + self.bias
        return y.to(x.dtype)

    def extra_repr(self) -> str:
        """Sizes and kept weights, in `print(model)`."""
        kept = f"{len(self.values):,} kept"
        return f"in_features={self.in_features}, out_features={self.out_features}, {kept}"
