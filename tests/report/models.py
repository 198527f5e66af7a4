"""Small models to report of."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

Tensors = dict[str, NDArray[np.float32]]

HIDDEN, INNER, HEADS, LAYERS, VOCABULARY = 4, 6, 2, 2, 10
LINEARS = {
    "attention.self.query": (HIDDEN, HIDDEN),
    "attention.self.key": (HIDDEN, HIDDEN),
    "attention.self.value": (HIDDEN, HIDDEN),
    "attention.output.dense": (HIDDEN, HIDDEN),
    "intermediate.dense": (INNER, HIDDEN),
    "output.dense": (HIDDEN, INNER),
}


def weights() -> Tensors:
    """A BERT without zeros, and without tensors that are equal."""
    one: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (VOCABULARY, HIDDEN),
        "embeddings.position_embeddings.weight": (64, HIDDEN),
        "embeddings.token_type_embeddings.weight": (2, HIDDEN),
        "embeddings.LayerNorm.weight": (HIDDEN,),
        "embeddings.LayerNorm.bias": (HIDDEN,),
    }
    for layer in range(LAYERS):
        for name, shape in LINEARS.items():
            one[f"encoder.layer.{layer}.{name}.weight"] = shape
            one[f"encoder.layer.{layer}.{name}.bias"] = shape[:1]
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            for part in ("weight", "bias"):
                one[f"encoder.layer.{layer}.{name}.{part}"] = (HIDDEN,)
    shapes = {f"bert.{name}": shape for name, shape in one.items()}
    shapes |= {"qa_outputs.weight": (2, HIDDEN), "qa_outputs.bias": (2,)}
    draw = np.random.default_rng(0)
    return {
        name: draw.uniform(0.5, 1.5, shape).astype(np.float32) for name, shape in shapes.items()
    }


def save(tensors: Tensors, folder: Path, **files: Any) -> Path:
    """Writes a plain folder.

    Args:
        tensors: of `weights`, changed.
        folder: that appears.
        **files: further JSON files, by their names without the ending.
    """
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    files["config"] = {
        "architectures": ["BertForQuestionAnswering"],
        "model_type": "bert",
        "vocab_size": VOCABULARY,
        "hidden_size": HIDDEN,
        "intermediate_size": INNER,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        **files.get("config", {}),
    }
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


FRONTIER: dict[str, Any] = {
    "version": 1,
    "task": "text classification",
    "split": "test",
    "metric": "accuracy",
    "rows": 4500,
    "machine": {"cpu": "A <CPU> & more", "threads": 2, "instructions": "avx512"},
    "in_words": ["5.0% kept reaches 0.9471: 3.0 times as fast as openvino int8 static."],
    "points": [
        {
            "engine": "fineprune",
            "precision": "fast",
            "density": 0.05,
            "bits": 8,
            "embedding_bits": 4,
            "metrics": {"accuracy": 0.9471},
            "bytes": 6_543_210,
            "milliseconds": 1.379,
            "texts_per_second": 2345.6,
        },
        {
            "engine": "pytorch",
            "precision": "float32",
            "density": 1.0,
            "bits": None,
            "embedding_bits": None,
            "metrics": {"accuracy": 0.9613},
            "bytes": 91_812_345,
            "milliseconds": 14.27,
            "texts_per_second": 151.4,
        },
        {
            "engine": "openvino",
            "precision": "int8 static",
            "density": 1.0,
            "bits": 8,
            "embedding_bits": 32,
            "metrics": {"accuracy": 0.9467},
            "bytes": 23_456_789,
            "milliseconds": 4.137,
            "texts_per_second": 678.9,
        },
    ],
}
"""What `fineprune frontier` leaves in a run's folder."""

LOG: dict[str, Any] = {
    "log_history": [
        {
            "step": 10 * step,
            "loss": 3.0 / step,
            "task_loss": 2.125 / step,
            "distillation_loss": 1.0625 / step,
            "penalty": 0.53125,
            "density": 1.0 / step,
            "level": 1.0 / step,
            "learning_rate": 0.0017,
            "score_learning_rate": 0.0123,
        }
        for step in range(1, 21)
    ]
    + [{"step": 200, "eval_accuracy": 0.5}, {"step": 200, "train_loss": 1.0}]
}
"""A run's log as `transformers` writes it."""
