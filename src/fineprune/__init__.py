"""Fine-prune a transformer encoder, ship it as one small file, run it on a CPU.

All public names stand here. They are imported on first use, so that `import fineprune` is quick,
and works without PyTorch.
"""

from contextlib import nullcontext
from importlib import import_module
from typing import TYPE_CHECKING, Any

from fineprune.errors import FinepruneError
from fineprune.extras import needs

if TYPE_CHECKING:
    from fineprune.corpus.batches import BatchPredictor as BatchPredictor
    from fineprune.corpus.spark import spark_udf as spark_udf
    from fineprune.engine import Engine as Engine
    from fineprune.engine import MatrixPlan as MatrixPlan
    from fineprune.packing import DenseTensor as DenseTensor
    from fineprune.packing import PackedModel as PackedModel
    from fineprune.packing import PackReport as PackReport
    from fineprune.packing import ReadLimits as ReadLimits
    from fineprune.packing import Scales as Scales
    from fineprune.packing import SparseTensor as SparseTensor
    from fineprune.packing import TensorReport as TensorReport
    from fineprune.packing import pack as pack
    from fineprune.packing import pack_folder as pack_folder
    from fineprune.packing import read_packed as read_packed
    from fineprune.packing import unpack as unpack
    from fineprune.pruning import L0 as L0
    from fineprune.pruning import Counts as Counts
    from fineprune.pruning import Fisher as Fisher
    from fineprune.pruning import KeepFraction as KeepFraction
    from fineprune.pruning import Level as Level
    from fineprune.pruning import Locked as Locked
    from fineprune.pruning import Magnitude as Magnitude
    from fineprune.pruning import Mask as Mask
    from fineprune.pruning import MaskedWeight as MaskedWeight
    from fineprune.pruning import Masks as Masks
    from fineprune.pruning import MatrixCount as MatrixCount
    from fineprune.pruning import Method as Method
    from fineprune.pruning import Movement as Movement
    from fineprune.pruning import Pruner as Pruner
    from fineprune.pruning import PruningCallback as PruningCallback
    from fineprune.pruning import PruningSchedule as PruningSchedule
    from fineprune.pruning import ScoreCut as ScoreCut
    from fineprune.pruning import SoftMovement as SoftMovement
    from fineprune.pruning import Threshold as Threshold
    from fineprune.pruning import count as count
    from fineprune.pruning import detach as detach
    from fineprune.pruning import load_model as load_model
    from fineprune.pruning import parameter_groups as parameter_groups
    from fineprune.pruning.attach import attach as attach
    from fineprune.pruning.finalize import finalize as finalize
    from fineprune.pytorch import load as load
    from fineprune.training.distillation import Distillation as Distillation
    from fineprune.training.mixin import FinePruningMixin as FinePruningMixin
    from fineprune.training.rounding import Quantization as Quantization
    from fineprune.training.trainer import FinePruningTrainer as FinePruningTrainer

__version__ = "0.1.0"

# Public name -> module that defines it.
_BASE = {
    "BatchPredictor": "fineprune.corpus.batches",
    "spark_udf": "fineprune.corpus.spark",
    "Engine": "fineprune.engine",
    "MatrixPlan": "fineprune.engine",
    "DenseTensor": "fineprune.packing",
    "PackReport": "fineprune.packing",
    "PackedModel": "fineprune.packing",
    "ReadLimits": "fineprune.packing",
    "Scales": "fineprune.packing",
    "SparseTensor": "fineprune.packing",
    "TensorReport": "fineprune.packing",
    "pack": "fineprune.packing",
    "pack_folder": "fineprune.packing",
    "read_packed": "fineprune.packing",
    "unpack": "fineprune.packing",
}
# The same for modules that need PyTorch.
_TRAIN = {
    "L0": "fineprune.pruning",
    "parameter_groups": "fineprune.pruning",
    "load_model": "fineprune.pruning",
    "PruningSchedule": "fineprune.pruning",
    "PruningCallback": "fineprune.pruning",
    "Pruner": "fineprune.pruning",
    "Method": "fineprune.pruning",
    "MatrixCount": "fineprune.pruning",
    "MaskedWeight": "fineprune.pruning",
    "Mask": "fineprune.pruning",
    "Level": "fineprune.pruning",
    "Fisher": "fineprune.pruning",
    "Locked": "fineprune.pruning",
    "Counts": "fineprune.pruning",
    "KeepFraction": "fineprune.pruning",
    "Magnitude": "fineprune.pruning",
    "Masks": "fineprune.pruning",
    "Movement": "fineprune.pruning",
    "ScoreCut": "fineprune.pruning",
    "SoftMovement": "fineprune.pruning",
    "Threshold": "fineprune.pruning",
    "attach": "fineprune.pruning.attach",
    "count": "fineprune.pruning",
    "detach": "fineprune.pruning",
    "finalize": "fineprune.pruning.finalize",
    "load": "fineprune.pytorch",
    "Distillation": "fineprune.training.distillation",
    "FinePruningMixin": "fineprune.training.mixin",
    "Quantization": "fineprune.training.rounding",
    "FinePruningTrainer": "fineprune.training.trainer",
}
_LAZY = _BASE | _TRAIN

__all__ = ["FinepruneError", "__version__", *_LAZY]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with needs("train", what=f"fineprune.{name}") if name in _TRAIN else nullcontext():
        value = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value  # the next access does not come here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
