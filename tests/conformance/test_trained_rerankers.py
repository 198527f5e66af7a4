"""Rerankers: what a recipe trains is what the engine and sentence-transformers rank by."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fineprune import Engine, pack
from fineprune.pruning.finalize import finalize_folder
from fineprune.training.recipe import parse_recipe
from fineprune.training.run import run
from tests.workspace import Workspace, workspace

__all__ = ["workspace"]

sentence_transformers: Any = pytest.importorskip(
    "sentence_transformers", reason="it is not installed"
)


@pytest.fixture(scope="module")
def folder(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, the plain model that it came to, and that packed."""
    folder = tmp_path_factory.mktemp("reranking")
    values = workspace.recipe(
        "reranking",
        teacher=workspace.teacher("reranking"),
        training__class_weights="balanced",
        training__precision="float32",
        task__max_length=10,
        pruning__method={"name": "magnitude", "keep": 0.5},
    )
    run(parse_recipe(values, "test"), folder / "run")
    finalize_folder(folder / "run", folder / "plain")
    pack(folder / "plain", folder / "packed", bits=32, embedding_bits=32)
    return folder


def test_the_engine_ranks_as_the_run_ranked(folder: Path) -> None:
    engine = Engine(folder / "packed", threads=1)
    assert engine.limit.tokens == 10
    assert engine.limit.source == "task.max_length in recipe.yaml"
    predictions = json.loads((folder / "run" / "predictions.json").read_text("utf-8"))
    assert len(predictions) == 4
    for one in predictions:
        documents = [document["text"] for document in one["documents"]]
        found = engine.rank(one["query"], documents)
        assert [document["corpus_id"] for document in found] == [0, 1, 2]
        scores = [document["score"] for document in one["documents"]]
        assert [document["score"] for document in found] == pytest.approx(scores, abs=1e-5)


def test_a_cross_encoder_scores_the_same(folder: Path) -> None:
    expected = sentence_transformers.CrossEncoder(str(folder / "plain"), device="cpu")
    engine = Engine(folder / "packed", threads=1)
    pairs = [("w1", "w2 w3"), ("w4", "w5"), ("w6 w7", "w8")]
    found = engine.predict(pairs)
    np.testing.assert_allclose(found, expected.predict([list(one) for one in pairs]), atol=1e-5)
    assert ((found > 0) & (found < 1)).all()
