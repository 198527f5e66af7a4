"""Random weights in the shape of BERT-base with a question-answering head, pruned at random.

There is no trained checkpoint here: sizes and times hang on shapes, densities and distributions,
which are those of the real thing; accuracy is measured elsewhere, on models that are trained.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

HIDDEN, INTERMEDIATE, LAYERS, VOCABULARY, POSITIONS = 768, 3072, 12, 30522, 512
DENSITY = 0.06

Weights = dict[str, NDArray[np.float32]]


def shapes() -> dict[str, tuple[int, ...]]:
    """All tensors of the model, by name."""
    one: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (VOCABULARY, HIDDEN),
        "embeddings.position_embeddings.weight": (POSITIONS, HIDDEN),
        "embeddings.token_type_embeddings.weight": (2, HIDDEN),
        "embeddings.LayerNorm.weight": (HIDDEN,),
        "embeddings.LayerNorm.bias": (HIDDEN,),
    }
    linears = {
        "attention.self.query": (HIDDEN, HIDDEN),
        "attention.self.key": (HIDDEN, HIDDEN),
        "attention.self.value": (HIDDEN, HIDDEN),
        "attention.output.dense": (HIDDEN, HIDDEN),
        "intermediate.dense": (INTERMEDIATE, HIDDEN),
        "output.dense": (HIDDEN, INTERMEDIATE),
    }
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}"
        for name, shape in linears.items():
            one[f"{prefix}.{name}.weight"] = shape
            one[f"{prefix}.{name}.bias"] = shape[:1]
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            one[f"{prefix}.{name}.weight"] = one[f"{prefix}.{name}.bias"] = (HIDDEN,)
    return {f"bert.{name}": shape for name, shape in one.items()} | {
        "qa_outputs.weight": (2, HIDDEN),
        "qa_outputs.bias": (2,),
    }


def is_pruned(name: str) -> bool:
    """Whether masks are for this tensor."""
    return ".layer." in name and name.endswith(".weight") and "LayerNorm" not in name


def weights(*, uneven: bool, density: float = DENSITY, seed: int = 0) -> Weights:
    """A pruned model.

    Args:
        uneven: whether rows and columns of the masks differ in density: log-normal factors with a
            standard deviation of 1, where real masks of soft movement have more.
        density: kept share of each pruned matrix, on average.
        seed: of the random numbers.
    """
    rng = np.random.default_rng(seed)
    model = {}
    for name, shape in shapes().items():
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


def save(model: Mapping[str, NDArray[np.float32]], folder: Path) -> Path:
    """Writes a plain folder."""
    folder.mkdir(parents=True)
    save_file(dict(model), folder / "model.safetensors", metadata={"format": "pt"})
    config = {"architectures": ["BertForQuestionAnswering"], "model_type": "bert"}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder
