"""Random weights in the shape of BERT-base with a question-answering head, pruned at random.

There is no trained checkpoint here: sizes and times hang on shapes, densities and distributions,
which are those of the real thing; accuracy is measured elsewhere, on models that are trained.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

VOCABULARY, POSITIONS, HEADS = 30522, 512, 12
DENSITY = 0.06

Weights = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Sizes:
    """What models of one shape have in common.

    Attributes:
        hidden: units of each layer's output; all models have as many heads.
        intermediate: units between the two feed-forward layers.
        layers: number of layers.
    """

    hidden: int
    intermediate: int
    layers: int


BERT_BASE = Sizes(768, 3072, 12)
MINILM = Sizes(384, 1536, 6)


def shapes(sizes: Sizes = BERT_BASE) -> dict[str, tuple[int, ...]]:
    """All tensors of the model, by name."""
    hidden, intermediate = sizes.hidden, sizes.intermediate
    one: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (VOCABULARY, hidden),
        "embeddings.position_embeddings.weight": (POSITIONS, hidden),
        "embeddings.token_type_embeddings.weight": (2, hidden),
        "embeddings.LayerNorm.weight": (hidden,),
        "embeddings.LayerNorm.bias": (hidden,),
    }
    linears = {
        "attention.self.query": (hidden, hidden),
        "attention.self.key": (hidden, hidden),
        "attention.self.value": (hidden, hidden),
        "attention.output.dense": (hidden, hidden),
        "intermediate.dense": (intermediate, hidden),
        "output.dense": (hidden, intermediate),
    }
    for layer in range(sizes.layers):
        prefix = f"encoder.layer.{layer}"
        for name, shape in linears.items():
            one[f"{prefix}.{name}.weight"] = shape
            one[f"{prefix}.{name}.bias"] = shape[:1]
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            one[f"{prefix}.{name}.weight"] = one[f"{prefix}.{name}.bias"] = (hidden,)
    return {f"bert.{name}": shape for name, shape in one.items()} | {
        "qa_outputs.weight": (2, hidden),
        "qa_outputs.bias": (2,),
    }


def is_pruned(name: str) -> bool:
    """Whether masks are for this tensor."""
    return ".layer." in name and name.endswith(".weight") and "LayerNorm" not in name


def weights(
    *, uneven: bool, density: float = DENSITY, seed: int = 0, sizes: Sizes = BERT_BASE
) -> Weights:
    """A pruned model.

    Args:
        uneven: whether rows and columns of the masks differ in density: log-normal factors with a
            standard deviation of 1, where real masks of soft movement have more.
        density: kept share of each pruned matrix, on average.
        seed: of the random numbers.
        sizes: of the model.
    """
    rng = np.random.default_rng(seed)
    model = {}
    for name, shape in shapes(sizes).items():
        tensor = rng.standard_normal(shape, dtype=np.float32) * np.float32(0.02)
        if is_pruned(name):
            tensor *= rng.random(shape, dtype=np.float32) < _keep(shape, density, uneven, rng)
        model[name] = tensor + np.float32(name.endswith("LayerNorm.weight"))
    return model


def _keep(
    shape: tuple[int, ...], density: float, uneven: bool, rng: np.random.Generator
) -> NDArray[np.float64]:
    """The chance of each weight to be kept."""
    if not uneven:
        return np.full(shape, density)
    rows, columns = (np.exp(rng.standard_normal(size)) for size in shape)
    chance = np.outer(rows, columns)
    for _ in range(20):  # where chances are capped at one, others make up for it
        chance = np.minimum(chance * (density / chance.mean()), 1)
    return chance


def save(model: Mapping[str, NDArray[np.float32]], folder: Path, sizes: Sizes = BERT_BASE) -> Path:
    """Writes a plain folder."""
    folder.mkdir(parents=True)
    save_file(dict(model), folder / "model.safetensors", metadata={"format": "pt"})
    config = {
        "architectures": ["BertForQuestionAnswering"],
        "model_type": "bert",
        "hidden_size": sizes.hidden,
        "intermediate_size": sizes.intermediate,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": HEADS,
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder
