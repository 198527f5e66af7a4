"""Methods, prunable targets, attach and detach, finalize, count, checkpoints."""

from fineprune.pruning.attach import attach, detach
from fineprune.pruning.counts import Counts, MatrixCount, count
from fineprune.pruning.finalize import finalize
from fineprune.pruning.levels import KeepFraction, Level, ScoreCut
from fineprune.pruning.load import load_model
from fineprune.pruning.mask import Mask
from fineprune.pruning.masks import MaskedWeight, Masks
from fineprune.pruning.methods import L0, Magnitude, Method, Movement, SoftMovement, Threshold

__all__ = [
    "L0",
    "Counts",
    "KeepFraction",
    "Level",
    "Magnitude",
    "Mask",
    "MaskedWeight",
    "Masks",
    "MatrixCount",
    "Method",
    "Movement",
    "ScoreCut",
    "SoftMovement",
    "Threshold",
    "attach",
    "count",
    "detach",
    "finalize",
    "load_model",
]
