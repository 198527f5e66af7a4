"""The engine: runs a packed model on a CPU, without PyTorch."""

from fineprune.engine.engine import Engine
from fineprune.engine.plan import MatrixPlan

__all__ = ["Engine", "MatrixPlan"]
