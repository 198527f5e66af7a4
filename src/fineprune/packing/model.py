"""A packed model in memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fineprune.packing.tensors import Tensor


@dataclass(frozen=True, eq=False)
class PackedModel:
    """What a packed file holds, its weights still as small as in the file but ready for use.

    Attributes:
        config: the Hugging Face config, label names included.
        tensors: by name; tied weights are one object under several names.
        attachments: content of the tokenizer's and other small files, by path in a model's folder.
        provenance: where the model comes from and how it was packed.
    """

    config: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    attachments: Mapping[str, bytes]
    provenance: Mapping[str, Any]
