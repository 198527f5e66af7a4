"""The engine's sparse kernels under models of PyTorch."""

from fineprune.pytorch.loading import load

__all__ = ["load"]
