"""A linear layer whose zeros take neither memory nor time."""

from collections.abc import Callable
from typing import Self, final

import numpy as np
import torch
from torch import Tensor, nn

from fineprune.packing import SparseTensor
from fineprune.pytorch.operators import sparse_linear


@final
class SparseLinear(nn.Module):
    """`x @ W.T + bias` for a sparse W, for inference.

    The kernels are those of a CPU. Moved to another device, the layer is a dense one.

    Args:
        weight: W, of shape `(out, in)`, its values float32.
        bias: of shape `(out,)`, if there is one.
    """

    row_pointers: Tensor
    columns: Tensor
    values: Tensor
    weight: Tensor | None

    def __init__(self, weight: SparseTensor, bias: nn.Parameter | None) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        self.register_buffer("row_pointers", torch.tensor(weight.row_pointers))
        self.register_buffer("columns", torch.tensor(weight.columns.astype(np.int32)))
        self.register_buffer("values", torch.tensor(weight.values))
        self.register_buffer("weight", None, persistent=False)  # W itself, where it is dense
        self.bias = bias

    def forward(self, x: Tensor) -> Tensor:
        """Of shape `(..., out)` and x's type, for x of shape `(..., in)`.

        On a CPU it is computed in float32.
        """
        if self.weight is not None:
            return nn.functional.linear(x, self.weight, self.bias)
        y: Tensor = sparse_linear(x.float(), self.row_pointers, self.columns, self.values)
        if self.bias is not None:
            y = y + self.bias
        return y.to(x.dtype)

    def to_linear(self) -> nn.Linear:
        """The same as a layer of PyTorch, zeros and all."""
        linear = nn.Linear(self.in_features, self.out_features, self.bias is not None)
        linear.weight = nn.Parameter(self._dense())
        if self.bias is not None:
            linear.bias = self.bias
        return linear.train(self.training)

    def _dense(self) -> Tensor:
        """W, of shape `(out, in)`."""
        weight = self.values.new_zeros(self.out_features, self.in_features)
        rows = torch.arange(self.out_features, device=self.values.device)
        kept = self.row_pointers.diff()
        weight[rows.repeat_interleave(kept), self.columns.long()] = self.values
        return weight

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """What all changes of type or device go through."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.weight = None
        match self.values.device.type:
            case "cpu":
                self.values = self.values.float()  # what the kernels take
            case "meta":  # there are no values
                pass
            case _:
                self.weight = self._dense()
        return self

    def extra_repr(self) -> str:
        """Sizes and kept weights, in `print(model)`."""
        kept = f"{len(self.values):,} kept"
        return f"in_features={self.in_features}, out_features={self.out_features}, {kept}"
