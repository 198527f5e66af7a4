"""Small finalized folders, and the checks that need one."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

LAYER = "encoder.layer.0.query.weight"
EMBEDDING = "embeddings.word_embeddings.weight"
CONFIG = {"model_type": "bert", "id2label": {"0": "no", "1": "ja"}}
TOKENIZER = b'{"version": "1.0", "model": {"vocab": ["\xc3\xa9t\xc3\xa9"]}}'


def sparse_matrix(
    rows: int, columns: int, density: float, seed: int = 0, *, uneven: bool = False
) -> NDArray[np.float32]:
    """Normal weights with a random mask, whose rows and columns may differ in density."""
    rng = np.random.default_rng(seed)
    keep = np.full((rows, columns), density)
    if uneven:
        keep = np.exp(rng.standard_normal(rows))[:, None] * np.exp(rng.standard_normal(columns))
        keep *= density / keep.mean()
    weights = rng.standard_normal((rows, columns)).astype(np.float32)
    return np.where(rng.random((rows, columns)) < keep, weights, np.float32(0))


def tiny_tensors(seed: int = 0) -> dict[str, NDArray[Any]]:
    """One tensor of every sort, among them a tied one."""
    rng = np.random.default_rng(seed)
    embedding = rng.standard_normal((12, 8)).astype(np.float32)
    return {
        EMBEDDING: embedding,
        "embeddings.LayerNorm.bias": rng.standard_normal(8).astype(np.float32),
        "embeddings.position_ids": np.arange(6, dtype=np.int64)[None],
        LAYER: sparse_matrix(16, 24, 0.15, seed, uneven=True),
        "encoder.layer.0.value.weight": sparse_matrix(9, 11, 0.2, seed + 1),
        "encoder.layer.0.output.weight": np.zeros((5, 7), np.float32),
        "encoder.layer.1.output.weight": rng.standard_normal((6, 4, 3)).astype(np.float32),
        "head.decoder.weight": embedding.copy(),
        "head.scale": np.full((), 0.5, np.float32),
    }


def write_folder(
    folder: Path,
    tensors: Mapping[str, NDArray[Any]],
    config: Mapping[str, Any] = CONFIG,
    **files: bytes,
) -> Path:
    """A folder with a model; further files by name, with `_` for the dot before the suffix."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(dict(tensors), folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    for name, content in files.items():
        stem, _, suffix = name.rpartition("_")
        (folder / f"{stem}.{suffix}").write_bytes(content)
    return folder
