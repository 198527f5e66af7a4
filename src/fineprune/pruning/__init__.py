"""Methods, prunable targets, attach and detach, masks in training, finalize, count, checkpoints."""

from fineprune.pruning.attach import attach, detach
from fineprune.pruning.callback import PruningCallback
from fineprune.pruning.checkpoint import load_model
from fineprune.pruning.counts import Counts, MatrixCount, count
from fineprune.pruning.finalize import finalize, finalize_folder
from fineprune.pruning.levels import KeepFraction, Level, ScoreCut
from fineprune.pruning.mask import Mask
from fineprune.pruning.masks import MaskedWeight, Masks
from fineprune.pruning.methods import (
    L0,
    Fisher,
    Locked,
    Magnitude,
    Matrix,
    Method,
    Movement,
    SoftMovement,
    Threshold,
)
from fineprune.pruning.parameters import parameter_groups
from fineprune.pruning.pruner import Pruner
from fineprune.pruning.schedule import PruningSchedule

__all__ = [
    "L0",
    "Counts",
    "Fisher",
    "KeepFraction",
    "Level",
    "Locked",
    "Magnitude",
    "Mask",
    "MaskedWeight",
    "Masks",
    "Matrix",
    "MatrixCount",
    "Method",
    "Movement",
    "Pruner",
    "PruningCallback",
    "PruningSchedule",
    "ScoreCut",
    "SoftMovement",
    "Threshold",
    "attach",
    "count",
    "detach",
    "finalize",
    "finalize_folder",
    "load_model",
    "parameter_groups",
]
