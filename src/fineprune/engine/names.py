"""Names that a model's tensors have today, where a file has older or others."""

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from fineprune.engine.architectures import Architecture

Tensor = TypeVar("Tensor")

# From the first checkpoints, which came from TensorFlow. transformers reads them in any model.
_LAYER_NORM = re.compile(r"(LayerNorm)\.(gamma|beta)$")
_PARTS = {"gamma": "weight", "beta": "bias"}


def with_names_of_today(
    tensors: Mapping[str, Tensor], architecture: Architecture, class_name: str
) -> Mapping[str, Tensor]:
    """The tensors by the names that transformers gives them in a model of this class.

    - A LayerNorm's `gamma` and `beta` are its `weight` and `bias`.
    - A model without a head may have been saved as part of one with a head, and the other way
      round: the encoder's tensors then have the architecture's prefix too much, or lack it.

    Args:
        tensors: by the names in the file.
        architecture: of the model.
        class_name: of the model.
    """
    named = _renamed(tensors, _modern)
    prefix, roots = architecture.prefix, architecture.roots
    if class_name == architecture.base:
        if any(name.startswith(roots) for name in named):
            return named
        return _renamed(named, lambda name: name.removeprefix(prefix))
    if any(name.startswith(prefix) for name in named):
        return named
    return _renamed(named, lambda name: prefix + name if name.startswith(roots) else name)


def _modern(name: str) -> str:
    return _LAYER_NORM.sub(lambda found: f"{found[1]}.{_PARTS[found[2]]}", name)


def _renamed(tensors: Mapping[str, Tensor], rename: Callable[[str], str]) -> dict[str, Tensor]:
    """With other names, unless a tensor has that name already."""
    renamed = {rename(name): tensor for name, tensor in tensors.items()}
    return renamed | {name: tensor for name, tensor in tensors.items() if rename(name) == name}
