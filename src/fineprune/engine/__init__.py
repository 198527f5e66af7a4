"""The engine: runs a packed model on a CPU, without PyTorch."""

from fineprune.engine.engine import Engine
from fineprune.engine.plan import MatrixPlan
from fineprune.engine.precision import SlowPrecisionWarning

__all__ = ["Engine", "MatrixPlan", "SlowPrecisionWarning"]
