"""Pruning methods: one final dataclass each."""

from fineprune.pruning.methods.base import Matrix, Method
from fineprune.pruning.methods.l0 import L0
from fineprune.pruning.methods.locked import Locked
from fineprune.pruning.methods.ranked import Fisher, Magnitude, Movement
from fineprune.pruning.methods.registry import (
    ALIASES,
    METHODS,
    method_at_threshold,
    method_from_settings,
    settings_of,
)
from fineprune.pruning.methods.rules import Scope, Settled
from fineprune.pruning.methods.soft_movement import SoftMovement
from fineprune.pruning.methods.threshold import Threshold

__all__ = [
    "ALIASES",
    "L0",
    "METHODS",
    "Fisher",
    "Locked",
    "Magnitude",
    "Matrix",
    "Method",
    "Movement",
    "Scope",
    "Settled",
    "SoftMovement",
    "Threshold",
    "method_at_threshold",
    "method_from_settings",
    "settings_of",
]
