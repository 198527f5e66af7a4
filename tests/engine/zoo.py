"""Tiny random models of the engine's architectures and heads, packed, beside what PyTorch says."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from torch import nn

from fineprune import pack, unpack
from tests.models import in_blocks

VOCABULARY = 50
POSITIONS = 512

_SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 40,
    "max_position_embeddings": POSITIONS,
    "pad_token_id": 1,
}
_CONFIGS: dict[str, Any] = {
    "albert": lambda **sizes: transformers.AlbertConfig(
        **{"embedding_size": 16, "num_hidden_groups": 1, **sizes}
    ),
    "bert": transformers.BertConfig,
    "camembert": transformers.CamembertConfig,
    "deberta-v2": lambda **sizes: transformers.DebertaV2Config(
        **{
            "relative_attention": True,
            "position_buckets": 16,
            "max_relative_positions": 40,
            "pos_att_type": ["p2c", "c2p"],
            "position_biased_input": False,
            "norm_rel_ebd": "layer_norm",
            "conv_kernel_size": 3,
            "conv_act": "gelu",
            **sizes,
        }
    ),
    "electra": lambda **sizes: transformers.ElectraConfig(embedding_size=16, **sizes),
    "modernbert": lambda **sizes: transformers.ModernBertConfig(
        **{
            "local_attention": 20,
            "global_attn_every_n_layers": 2,
            **dict.fromkeys(("bos_token_id", "cls_token_id", "eos_token_id", "sep_token_id"), 2),
            **sizes,
            "num_hidden_layers": 3,  # the first has no LayerNorm, the second a window
        }
    ),
    "mpnet": transformers.MPNetConfig,
    "roberta": transformers.RobertaConfig,
    "xlm-roberta": transformers.XLMRobertaConfig,
    "distilbert": lambda **sizes: transformers.DistilBertConfig(
        **{"dim": 24, "n_layers": 2, "n_heads": 2, "hidden_dim": 40, **sizes}
    ),
}
CLASSES: dict[str, Any] = {
    "sequence": transformers.AutoModelForSequenceClassification,
    "token": transformers.AutoModelForTokenClassification,
    "question": transformers.AutoModelForQuestionAnswering,
    "none": transformers.AutoModel,
}
ARCHITECTURES = tuple(_CONFIGS)
HEADS = tuple(CLASSES)


@dataclass(frozen=True)
class Packed:
    """A packed model.

    Attributes:
        file: it.
        head: a key of `CLASSES`.
    """

    file: Path
    head: str

    @cached_property
    def reference(self) -> Any:
        """The model of transformers with the weights that are in the file."""
        folder = self.file.with_suffix(".unpacked")
        unpack(self.file, folder)
        return CLASSES[self.head].from_pretrained(folder).eval()

    def expected(self, **arrays: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        """What that says to arrays; the same keys as `Engine.run`, but for embeddings."""
        with torch.inference_mode():
            said = self.reference(**{name: torch.tensor(array) for name, array in arrays.items()})
        names = ("logits", "start_logits", "end_logits", "last_hidden_state")
        return {name: said[name].numpy() for name in names if name in said}


def initial(architecture: str, head: str, **changes: Any) -> Any:
    """A model as it is before training, its config changed."""
    torch.manual_seed(0)
    labels = {} if "id2label" in changes else {"num_labels": 2 if head == "question" else 3}
    sizes = {**_SIZES, **labels, **changes}
    if architecture in ("camembert", "mpnet", "roberta", "xlm-roberta"):
        sizes["max_position_embeddings"] += 2  # the first token has position pad + 1
    return CLASSES[head].from_config(_CONFIGS[architecture](**sizes)).eval()


def build(architecture: str, head: str, density: float = 0.3, **changes: Any) -> Any:
    """A random model with so much of its layers kept; no parameter is zero or one elsewhere."""
    model = initial(architecture, head, **changes)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    for linear in in_blocks(model).values():
        linear.weight.data *= torch.rand_like(linear.weight) < density
    return model


def save_packed(
    model: Any, folder: Path, head: str, bits: int = 8, embedding_bits: int = 8
) -> Packed:
    """Packs a model, with whatever else lies in the folder."""
    model.save_pretrained(folder)
    file = folder.with_suffix(".packed")
    pack(folder, file, bits=bits, embedding_bits=embedding_bits)
    return Packed(file, head)
