"""Pairs, triplets and scored pairs: to tokens, and embeddings to metrics."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from fineprune.errors import DataError, RecipeError
from fineprune.tasks.sentence_embedding import (
    SentenceEmbedding,
    SentenceEmbeddingSettings,
    load_sentence_embedding,
)
from tests.workspace import WORDS, make_tokenizer

PAIRS = [
    {"anchor": "w1", "positive": "w2 w3"},
    {"anchor": "w4", "positive": "w5"},
    {"anchor": "w1", "positive": "w5"},
]


def written(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return str(path)


def load(path: str, **values: Any) -> SentenceEmbedding:
    given: dict[str, Any] = {"train": path, "validation": path, "max_length": 8, **values}
    return load_sentence_embedding(SentenceEmbeddingSettings(**given))


def words(ids: list[int]) -> str:
    return " ".join(WORDS[place] for place in ids)


def test_pairs(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", PAIRS)
    task = load(path, prompts={"query": "w30 ", "document": "w31 w32 "})
    assert (task.head.auto_model, task.metric) == ("AutoModel", "ndcg@10")
    features = task.training_features(make_tokenizer())
    assert features.column_names == ["anchor_input_ids", "positive_input_ids"]
    assert words(features[0]["anchor_input_ids"]) == "[CLS] w30 w1 [SEP]"
    assert words(features[0]["positive_input_ids"]) == "[CLS] w31 w32 w2 w3 [SEP]"
    (one,) = task.evaluation_sets(make_tokenizer())
    assert [words(ids) for ids in one.features["input_ids"][:]] == [
        "[CLS] w30 w1 [SEP]",
        "[CLS] w30 w4 [SEP]",
        "[CLS] w31 w32 w2 w3 [SEP]",
        "[CLS] w31 w32 w5 [SEP]",
    ]
    assert one.examples == 3
    # w1 finds both of its texts; w4 finds the wrong one first.
    embeddings = np.array([[1, 0], [3, 0.1], [2, 0.2], [1, 0.5]], np.float32)
    gain = 1 / np.log2(3)
    assert one.score((embeddings,)) == {
        "ndcg@10": pytest.approx((1 + gain) / 2),
        "mrr@10": 0.75,
        "accuracy@1": 0.5,
    }
    first = one.predictions((embeddings,))[0]
    assert first["query"] == "w1"
    assert [document["text"] for document in first["documents"]] == ["w2 w3", "w5"]
    assert first["documents"][0]["score"] == pytest.approx(2 / np.hypot(2, 0.2))
    assert json.loads(json.dumps(first)) == first


def test_triplets(tmp_path: Path) -> None:
    rows = [{**row, "n": f"w{20 + i}"} for i, row in enumerate(PAIRS)]
    task = load(written(tmp_path / "a.jsonl", rows), negative="n", loss="TripletLoss")
    features = task.training_features(make_tokenizer())
    assert features.column_names[2] == "negative_input_ids"
    (one,) = task.evaluation_sets(make_tokenizer())
    assert len(one.features) == 2 + 2 + 3


def test_scored_pairs(tmp_path: Path) -> None:
    rows = [{"a": f"w{i}", "b": f"w{9 - i}", "s": score} for i, score in enumerate([5, "2.5", 0])]
    path = written(tmp_path / "a.jsonl", rows)
    task = load(path, anchor="a", positive="b", score="s")
    assert task.metric == "spearman"
    assert task.training_features(make_tokenizer())["label"][:] == [5, 2.5, 0]
    (one,) = task.evaluation_sets(make_tokenizer())
    angles = np.array([0, 0, 0, 0.1, 0.5, 0.9])
    embeddings = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    cosines = np.cos(angles[3:])
    assert one.score((embeddings,)) == {
        "spearman": pytest.approx(1),
        "pearson": pytest.approx(np.corrcoef(cosines, [5, 2.5, 0])[0, 1], abs=1e-6),
    }
    with pytest.raises(DataError, match="2 scores are no cosines, such as 5"):
        load(path, anchor="a", positive="b", score="s", loss="CosineSimilarityLoss")


def test_a_model_that_collapsed(tmp_path: Path) -> None:
    (one,) = load(written(tmp_path / "a.jsonl", PAIRS)).evaluation_sets(make_tokenizer())
    for value in (0.0, np.nan):
        assert np.isfinite([*one.score((np.full((4, 2), value, np.float32),)).values()]).all()


@pytest.mark.parametrize(
    ("row", "values", "said"),
    [
        ({"anchor": "w1"}, {}, "the text in column 'positive' is missing"),
        ({"anchor": " ", "positive": "w1"}, {}, "the text in column 'anchor' is blank"),
        ({"anchor": 3, "positive": "w1"}, {}, "is 3, no text"),
        ({"anchor": "\ud800", "positive": "w1"}, {}, "is not Unicode"),
        ({"anchor": "w1", "positive": "w2"}, {"score": "s"}, "the score in column 's' is missing"),
        ({"anchor": "w1", "positive": "w2", "s": "nan"}, {"score": "s"}, "'nan', no finite number"),
        ({"anchor": "w1", "positive": "w2", "s": True}, {"score": "s"}, "True, no finite number"),
    ],
)
def test_broken_rows(
    row: dict[str, Any], values: dict[str, Any], said: str, tmp_path: Path
) -> None:
    good = [{**one, "s": 1} for one in PAIRS]
    path = written(tmp_path / "a.jsonl", [*good, row])
    with pytest.raises(DataError, match=rf"a\.jsonl, line 4: .*{said}"):
        load(path, **values)
    task = load(path, broken_rows="drop", validation={}, **values)
    assert "broken rows left out: 1" in task.notes[0]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"negative": "n", "score": "s"}, "negative makes triplets, and score makes scored pairs"),
        ({"positive": "anchor"}, "columns have to differ"),
        ({"loss": "TripletLoss"}, "loss 'TripletLoss' is none for pairs; known are 'Multiple"),
        ({"score": "s", "loss": "MSELoss"}, "none for scored pairs; known are 'CoSENTLoss'"),
        ({"train": ()}, "one of train, validation and test"),
        ({"prompts": {"passage": "p"}}, "prompts"),
        ({"pooling": "max"}, "pooling"),
    ],
)
def test_settings_that_cannot_be(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        SentenceEmbeddingSettings(**{"train": "a.jsonl", **values})


def test_more_tokens_than_there_are(tmp_path: Path) -> None:
    task = load(written(tmp_path / "a.jsonl", PAIRS), max_length=99)
    with pytest.raises(RecipeError, match=r"task\.max_length is 99, but the tokenizer takes"):
        task.training_features(make_tokenizer())
