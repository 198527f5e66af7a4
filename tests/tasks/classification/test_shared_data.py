"""Real data: SST-2 as GLUE writes it, CLINC150 in its own format."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter
from transformers import PreTrainedTokenizerBase

from fineprune.tasks.classification import (
    Classification,
    ClassificationSettings,
    load_classification,
)

pytestmark = pytest.mark.shared
ADAPTER = TypeAdapter(ClassificationSettings)


def load(**section: Any) -> Classification:
    settings: ClassificationSettings = ADAPTER.validate_python(section)
    return load_classification(settings)


def data(shared: Path, name: str) -> Path:
    folder = shared / "data" / name
    if not folder.is_dir():
        pytest.skip(f"needs ../shared/data/{name}, which is not there")
    return folder


def test_sst2(shared: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    folder = data(shared, "sst2")
    task = load(
        glue="sst2",
        train=[str(folder / "train_a.tsv"), str(folder / "train_b.tsv")],
        validation=str(folder / "dev.tsv"),
        max_length=16,
    )
    assert task.notes == ()
    features = task.training_features(tokenizer)
    assert len(features) == 67_349  # as GLUE states it, so no quote character joined two lines
    lines = (folder / "train_a.tsv").read_text(encoding="utf-8").split("\n")[1:-1]
    assert features["labels"][: len(lines)] == [int(line[-1]) for line in lines]
    assert max(map(len, features["input_ids"])) == 16

    (validation,) = task.evaluation_sets(tokenizer)
    assert validation.examples == len(validation.features) == 872
    positive = np.tile(np.array([0, 1], dtype=np.float32), (872, 1))
    assert validation.score((positive,)) == {"accuracy": pytest.approx(444 / 872)}


def test_clinc150(shared: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    path = str(data(shared, "clinc150") / "data_full.json")
    rows = {"path": path, "columns": ["text", "intent"]}
    task = load(
        train=rows | {"field": "train"},
        validation=rows | {"field": "val"},
        test=rows | {"field": "test"},
        text="text",
        label="intent",
        max_length=16,
    )
    assert task.notes == ()
    names = task.head.config["id2label"]
    assert len(names) == 150
    assert list(names.values()) == sorted(names.values())
    labels = task.training_features(tokenizer)["labels"][:]
    assert np.bincount(labels).tolist() == [100] * 150
    (validation,) = task.evaluation_sets(tokenizer)
    (test,) = task.evaluation_sets(tokenizer, "test")
    assert (validation.examples, test.examples) == (3_000, 4_500)
    # Each class is as frequent as any other: the first one right, all others never predicted.
    always_first = np.zeros((4_500, 150), dtype=np.float32)
    assert test.score((always_first,)) == {
        "accuracy": pytest.approx(1 / 150),
        "macro_f1": pytest.approx(2 / 151 / 150),
    }
