"""Queries with documents: to pairs of texts, and scores to rankings."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import List, Value
from pydantic import ValidationError

from fineprune.errors import DataError, RecipeError
from fineprune.tasks.reranking import Reranking, RerankingSettings, load_reranking
from tests.workspace import WORDS, make_tokenizer

ROWS: list[dict[str, Any]] = [
    {"query": "w1", "document": "w2", "label": 0},
    {"query": "w3", "document": "w4 w5", "label": 0.5},
    {"query": "w1", "document": "w6", "label": True},
    {"query": "w3", "document": "w7", "label": "0.25"},
    {"query": "w8", "document": "w9", "label": 1},
]


def written(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return str(path)


def load(path: str, **values: Any) -> Reranking:
    given: dict[str, Any] = {"train": path, "validation": path, "max_length": 8, **values}
    return load_reranking(RerankingSettings(**given))


def test_pairs(tmp_path: Path) -> None:
    task = load(written(tmp_path / "a.jsonl", ROWS))
    assert (task.metric, task.head.config["num_labels"]) == ("ndcg@10", 1)
    features = task.training_features(make_tokenizer())
    assert features["labels"][:] == [[0.0], [0.5], [1.0], [0.25], [1.0]]
    assert features.features["labels"] == List(Value("float32"))
    row = features[1]
    assert " ".join(WORDS[i] for i in row["input_ids"]) == "[CLS] w3 [SEP] w4 w5 [SEP]"
    assert row["token_type_ids"] == [0, 0, 0, 1, 1, 1]


def test_rankings(tmp_path: Path) -> None:
    task = load(written(tmp_path / "a.jsonl", ROWS))
    assert len(task.notes) == 1
    assert "1 of 3 queries have no relevant document, or no other one" in task.notes[0]
    (one,) = task.evaluation_sets(make_tokenizer())
    assert one.examples == 5
    # w1 has its right document second, w3 first; w8 has nothing to rank.
    logits = (np.array([[1.0], [2.0], [0.0], [-1.0], [0.0]], np.float32),)
    assert one.score(logits) == {
        "ndcg@10": pytest.approx((1 / np.log2(3) + 1) / 2),
        "mrr@10": 0.75,
        "accuracy@1": 0.5,
    }
    first = one.predictions(logits)[0]
    assert first["query"] == "w1"
    assert [document["text"] for document in first["documents"]] == ["w2", "w6"]
    assert first["documents"][0]["score"] == pytest.approx(1 / (1 + np.exp(-1)))
    assert len(one.predictions(logits)) == 3
    assert json.loads(json.dumps(first)) == first


def test_class_weights(tmp_path: Path) -> None:
    task = load(written(tmp_path / "a.jsonl", ROWS))
    features = task.training_features(make_tokenizer())
    assert task.class_weights("balanced", features).tolist() == [pytest.approx(2 / 3)]
    assert task.class_weights({"relevant": 4}, features).tolist() == [4]
    with pytest.raises(RecipeError, match="there is no label '1'; the task has 'relevant'"):
        task.class_weights({"1": 4}, features)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"query": "w1", "document": "w2"}, "the score in column 'label' is missing"),
        ({"query": "w1", "document": "w2", "label": 3}, "is 3; expected 0 to 1: scale it"),
        ({"query": "w1", "document": "w2", "label": "yes"}, "'yes', no finite number"),
        ({"query": "", "document": "w2", "label": 1}, "the text in column 'query' is"),
        ({"query": "w1", "document": ["w2"], "label": 1}, "no text"),
    ],
)
def test_broken_rows(row: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", [*ROWS, row])
    with pytest.raises(DataError, match=rf"a\.jsonl, line 6: .*{said}"):
        load(path)
    assert "broken rows left out: 1" in load(path, broken_rows="drop", validation={}).notes[0]


def test_nothing_to_rank_and_nothing_to_learn(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", ROWS[-1:])
    with pytest.raises(DataError, match="no query has a relevant document beside others"):
        load(path, train=())
    with pytest.raises(DataError, match="all 1 documents have the same label"):
        load(path, validation={})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"document": "query"}, "columns have to differ"),
        ({"train": ()}, "one of train, validation and test"),
        ({"labels": ["a"]}, "labels"),
    ],
)
def test_settings_that_cannot_be(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        RerankingSettings(**{"train": "a.jsonl", **values})
