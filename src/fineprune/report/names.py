"""What a model's matrices are called, in words that are the same for all architectures."""

from dataclasses import dataclass
from typing import Self

# By what they are called here: how names of tensors end, behind the number of the layer.
_PARTS = {
    "attention query": (
        "attention.self.query",
        "attention.self.query_proj",
        "attention.attn.q",
        "attention.query",
        "attention.q_lin",
        "attention.q_proj",
    ),
    "attention key": (
        "attention.self.key",
        "attention.self.key_proj",
        "attention.attn.k",
        "attention.key",
        "attention.k_lin",
        "attention.k_proj",
    ),
    "attention value": (
        "attention.self.value",
        "attention.self.value_proj",
        "attention.attn.v",
        "attention.value",
        "attention.v_lin",
        "attention.v_proj",
    ),
    "attention output": (
        "attention.output.dense",
        "attention.attn.o",
        "attention.dense",
        "attention.out_lin",
        "attention.o_proj",
        "attn.Wo",
    ),
    "feed-forward up": ("intermediate.dense", "ffn.lin1", "ffn", "mlp.fc1", "mlp.Wi"),
    "feed-forward down": ("output.dense", "ffn.lin2", "ffn_output", "mlp.fc2", "mlp.Wo"),
}
_BY_ENDING = {ending: part for part, endings in _PARTS.items() for ending in endings}
_SILENT = ("weight", "dense", "self")  # parts of a name that tell nothing


@dataclass(frozen=True)
class MatrixName:
    """A matrix's place in a model.

    Attributes:
        layer: its number; None for a matrix outside of the layers.
        part: what it is there.
    """

    layer: int | None
    part: str

    @classmethod
    def of(cls, tensor: str) -> Self:
        """Reads the name of a tensor.

        >>> str(MatrixName.of("bert.encoder.layer.0.attention.self.query.weight"))
        'layer 0 attention query'

        Some rows of it are named alike.

        >>> str(MatrixName.of("model.layers.3.mlp.Wi.weight[0:1152]"))
        'layer 3 feed-forward up'
        """
        parts = tensor.partition("[")[0].removesuffix(".weight").split(".")
        place = max((i for i, part in enumerate(parts) if part.isdecimal()), default=None)
        if place is None:
            return cls(None, _in_words(parts[-2:]))
        rest = parts[place + 1 :]
        return cls(int(parts[place]), _BY_ENDING.get(".".join(rest)) or _in_words(rest))

    def __str__(self) -> str:
        return self.part if self.layer is None else f"layer {self.layer} {self.part}".rstrip()


def order_of_parts(parts: list[str]) -> list[str]:
    """Parts of layers, each once: those that are known as data passes them, the others behind."""
    known = [part for part in _PARTS if part in parts]
    return [*known, *(part for part in dict.fromkeys(parts) if part not in known)]


def _in_words(parts: list[str]) -> str:
    telling = [part for part in parts if part not in _SILENT] or parts
    return " ".join(telling).replace("_", " ")
