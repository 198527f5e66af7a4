"""Pruning methods: one final dataclass each."""

from fineprune.pruning.methods.base import Method
from fineprune.pruning.methods.l0 import L0
from fineprune.pruning.methods.magnitude import Magnitude
from fineprune.pruning.methods.movement import Movement
from fineprune.pruning.methods.registry import (
    ALIASES,
    METHODS,
    method_at_threshold,
    method_from_settings,
    settings_of,
)
from fineprune.pruning.methods.soft_movement import SoftMovement
from fineprune.pruning.methods.threshold import Threshold

__all__ = [
    "ALIASES",
    "L0",
    "METHODS",
    "Magnitude",
    "Method",
    "Movement",
    "SoftMovement",
    "Threshold",
    "method_at_threshold",
    "method_from_settings",
    "settings_of",
]
