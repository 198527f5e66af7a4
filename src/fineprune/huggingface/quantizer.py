"""How transformers loads a packed folder: to it, packing is a way of quantization."""

import logging
import weakref
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any, final

import torch
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.quantizers.auto import register_quantization_config, register_quantizer
from transformers.quantizers.base import HfQuantizer
from transformers.utils.quantization_config import QuantizationConfigMixin

from fineprune.packing import read_packed
from fineprune.packing.folder import write_weights
from fineprune.packing.modules import WEIGHTS
from fineprune.packing.places import FILENAME, METHOD
from fineprune.pytorch.loading import run_dense, run_sparse

logger = logging.getLogger(__name__)


@final
@register_quantization_config(METHOD)  # type: ignore[no-untyped-call, untyped-decorator, unused-ignore]
class PackedConfig(QuantizationConfigMixin):
    """What `quantization_config` in the config of a packed folder says: nothing but the method."""

    def __init__(self, **settings: Any) -> None:
        self.quant_method = METHOD  # type: ignore[assignment, unused-ignore]


@final
@register_quantizer(METHOD)  # type: ignore[no-untyped-call, untyped-decorator, unused-ignore]
class PackedQuantizer(HfQuantizer):
    """Loads the weights of a packed folder.

    They are unpacked into a file of their own, which transformers then loads as it loads any: so
    its names of tensors, its types and its devices are heard, whatever they will be in its next
    version. On a CPU linear layers then run the engine's kernels, where that pays.
    """

    requires_calibration = True  # a model that is not packed cannot be loaded as if it were

    # What happens, in this order.

    def update_attn_implementation(self, config: PreTrainedConfig) -> PreTrainedConfig:
        """Names the file with the weights, before transformers looks for one."""
        config.transformers_weights = FILENAME
        return config

    update_tp_plan = update_attn_implementation  # what is called there in the first versions 5

    def _process_model_before_weight_loading(self, model: PreTrainedModel, **loading: Any) -> None:
        """Puts the unpacked weights in the place of the packed ones."""
        checkpoint_files: list[str] = loading["checkpoint_files"]
        packed = read_packed(checkpoint_files[0])
        scratch = mkdtemp(prefix="fineprune-")
        # Called below; or, where loading fails before, when this quantizer is gone.
        self._remove = weakref.finalize(self, rmtree, scratch, ignore_errors=True)
        unpacked = Path(scratch) / WEIGHTS
        write_weights(packed, unpacked)
        checkpoint_files[0] = str(unpacked)

    def _process_model_after_weight_loading(
        self, model: PreTrainedModel, **_: Any
    ) -> PreTrainedModel:
        self._remove()
        del self._remove  # what a model holds can be copied and pickled
        del model.config.transformers_weights
        if all(one.device.type == "cpu" for one in model.parameters()):
            with torch.inference_mode(False):
                run_sparse(model)
        return model

    # What may be done with the model.

    def is_serializable(self, *_: Any, **__: Any) -> bool:
        """It is not: it has no weights that transformers would find again."""
        logger.warning(
            "A packed model is not saved again: copy its folder, or call model.dequantize() first."
        )
        return False

    @property
    def is_trainable(self) -> bool:
        """It is not: its kernels have no gradients."""
        return False

    def _dequantize(
        self, model: PreTrainedModel, dtype: torch.dtype | None = None
    ) -> PreTrainedModel:
        """Makes it a plain model, which can be trained and saved."""
        run_dense(model)
        model.tie_weights()
        return model if dtype is None else model.to(dtype)  # type: ignore[arg-type]
