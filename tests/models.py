"""Tiny random models of the architectures that can be pruned, and what is prunable in each."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel

from fineprune.pruning import (
    L0,
    Fisher,
    Magnitude,
    Masks,
    Method,
    Movement,
    SoftMovement,
    Threshold,
    attach,
)

VOCABULARY = 50

_SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 40,
}


_DEBERTA_SETTINGS: dict[str, Any] = {
    "relative_attention": True,
    "position_buckets": 8,
    "pos_att_type": ["p2c", "c2p"],
    "share_att_key": False,
    "conv_kernel_size": 3,
}


@dataclass(frozen=True)
class Architecture:
    """An architecture at a size that runs in milliseconds.

    Attributes:
        config: makes its configuration.
        model: the class with a classification head.
        auto: the class that a user loads such a folder with.
        blocks: how many blocks the encoder has.
        linears: how many linear layers of attention and feed-forward parts a block has.
    """

    name: str
    config: Callable[[], PreTrainedConfig]
    model: type[PreTrainedModel]
    linears: int = 6
    blocks: int = 2
    auto: Any = transformers.AutoModelForSequenceClassification

    def build(self, seed: int = 0) -> PreTrainedModel:
        """A model in eval mode, whose parameters are all random: none is zero or one."""
        torch.manual_seed(seed)
        model = self.model(self.config())
        for parameter in model.parameters():
            nn.init.normal_(parameter, std=0.3)
        return model.eval()  # type: ignore[no-any-return, no-untyped-call]


ARCHITECTURES = (
    Architecture(
        "bert",
        lambda: transformers.BertConfig(**_SIZES),
        transformers.BertForSequenceClassification,
    ),
    Architecture(
        "roberta",
        lambda: transformers.RobertaConfig(**_SIZES),
        transformers.RobertaForSequenceClassification,
    ),
    Architecture(
        "distilbert",
        lambda: transformers.DistilBertConfig(
            vocab_size=VOCABULARY,
            dim=16,
            n_layers=2,
            n_heads=2,
            hidden_dim=24,
            max_position_embeddings=40,
        ),
        transformers.DistilBertForSequenceClassification,
    ),
    Architecture(
        "electra",
        # Smaller embeddings: a linear layer that is no part of a block makes them wider.
        lambda: transformers.ElectraConfig(embedding_size=8, **_SIZES),
        transformers.ElectraForSequenceClassification,
    ),
    Architecture(
        "mpnet",
        lambda: transformers.MPNetConfig(**_SIZES),
        transformers.MPNetForSequenceClassification,
    ),
    Architecture(
        "albert",
        # Both layers are one block, run twice.
        lambda: transformers.AlbertConfig(embedding_size=8, **_SIZES),
        transformers.AlbertForSequenceClassification,
        blocks=1,
    ),
    Architecture(
        "deberta-v2",
        # With its convolution, and with projections of their own for relative positions.
        lambda: transformers.DebertaV2Config(**_SIZES, **_DEBERTA_SETTINGS),
        transformers.DebertaV2ForSequenceClassification,
        linears=8,
    ),
    Architecture(
        "modernbert",
        # Query, key and value are one layer.
        lambda: transformers.ModernBertConfig(
            pad_token_id=0,
            bos_token_id=1,
            cls_token_id=1,
            eos_token_id=2,
            sep_token_id=2,
            **_SIZES,
        ),
        transformers.ModernBertForSequenceClassification,
        linears=4,
    ),
    Architecture(
        "vit",
        lambda: transformers.ViTConfig(
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=24,
            image_size=8,
            patch_size=4,
        ),
        transformers.ViTForImageClassification,
        auto=transformers.AutoModelForImageClassification,
    ),
)

BERT = ARCHITECTURES[0]

METHODS: dict[str, Method[Any]] = {
    "magnitude": Magnitude(keep=0.3),
    "global magnitude": Magnitude(keep=0.3, scope="global"),
    "movement": Movement(keep=0.3),
    "global movement": Movement(keep=0.3, scope="global"),
    "movement by kind": Movement(keep=0.3, scope="kind", share_floor=0.2),
    "fisher": Fisher(keep=0.3),
    "soft movement": SoftMovement(final_lambda=10.0, cut=0.6),
    "threshold": Threshold(cut=0.4),
    "l0": L0(final_lambda=10.0),
    "soft movement with keep": SoftMovement(keep=0.3),
    "l0 with keep": L0(keep=0.3),
}
"""Every method, at a level that prunes a good part of normally distributed scores."""


@torch.no_grad()
def logits(model: nn.Module) -> Tensor:
    """What a model of any of the architectures answers to fixed inputs."""
    generator = torch.Generator().manual_seed(3)
    if isinstance(model, transformers.ViTForImageClassification):
        answer = model(pixel_values=torch.randn(2, 3, 8, 8, generator=generator).to(model.dtype))
    else:
        answer = model(input_ids=torch.randint(5, VOCABULARY, (2, 7), generator=generator))
    return answer.logits  # type: ignore[no-any-return]


def in_blocks(model: nn.Module) -> dict[str, nn.Linear]:
    """The linear layers that must be pruned, found by name: those below a numbered module.

    True of the architectures here, and independent of how the package finds them.
    """
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and re.search(r"\.\d+\.", name)
    }


def mask_at_random(
    model: nn.Module, method: Method[Any], *, include: tuple[str, ...] = (), seed: int = 1
) -> Masks:
    """Attaches a method, at its final level, with scores so wide that some gates of L0 close.

    Methods that rank by gradients are given squares of random ones.
    """
    masks = attach(model, method, include=include)
    generator = torch.Generator().manual_seed(seed)
    for scores in masks.scores():
        nn.init.normal_(scores, std=3.0, generator=generator)
    if method.needs_second_moment:
        for one in masks:
            one.mask.observe(torch.randn(one.weight.shape, generator=generator))
    masks.set_level(method.final_level)
    return masks
