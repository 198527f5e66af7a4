"""Any number of labels a text: lists, columns of 0 and 1, declared ones; metrics and thresholds."""

import json
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import sklearn.metrics
from datasets import ClassLabel, Dataset, Features, List, Value
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pydantic import ValidationError
from transformers import PreTrainedTokenizerBase

from fineprune.errors import DataError
from fineprune.tasks.classification import ClassificationSettings, load_classification
from fineprune.tasks.classification.labels import UnusableValueError
from fineprune.tasks.classification.targets import LabelSet

COLOURS = LabelSet(("red", "green", "blue"))
ROWS: list[dict[str, Any]] = [
    {"t": "one two", "l": ["red", "blue"]},
    {"t": "three", "l": []},
    {"t": "four", "l": ["green", "red"]},
]


def settings(**values: Any) -> ClassificationSettings:
    return ClassificationSettings(**{"text": "t", "label": "l", "multi_label": True, **values})


def lines(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return str(path)


def test_the_head() -> None:
    assert COLOURS.head().config == {
        "num_labels": 3,
        "id2label": {0: "red", 1: "green", 2: "blue"},
        "label2id": {"red": 0, "green": 1, "blue": 2},
        "problem_type": "multi_label_classification",
    }


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        ([], [0, 0, 0]),
        (["blue", "red"], [1, 0, 1]),
        (("green", "green"), [0, 1, 0]),
        ({"red": 1, "green": 0, "blue": "1"}, [1, 0, 1]),
        ({"red": False, "green": 1.0, "blue": "true"}, [0, 1, 1]),
    ],
)
def test_labels(value: object, encoded: list[float]) -> None:
    assert COLOURS.encode(value) == encoded


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "the list of labels is missing"),
        ("red", "of type str, and a list is expected; columns of 0 and 1 are named one by one"),
        (1, "of type int, and a list is expected"),
        (["pink"], "the label 'pink' is unknown: known are 'red', 'green', 'blue'"),
        ([["red"]], "of type list"),
        ([None], "the label is missing"),
        ({"red": 1, "green": 0}, "nothing is said of the label 'blue'"),
        ({"red": 1, "green": 0, "blue": 2}, "the label 'blue' is 2; expected 0 or 1"),
        ({"red": 1, "green": 0, "blue": None}, "the label 'blue' has no value"),
    ],
)
def test_what_are_no_labels(value: object, said: str) -> None:
    with pytest.raises(UnusableValueError, match=said):
        COLOURS.encode(value)


LOGITS = (np.array([[2.0, -3.0, 0.5], [-1.0, -1.0, -1.0], [0.0, 4.0, -4.0]], np.float32),)
EXPECTED = np.array([[1, 0, 0], [0, 0, 1], [1, 1, 0]], np.float32)


def test_predictions() -> None:
    # At 0.5 the logit 0 is one: a label is predicted from the threshold on.
    assert COLOURS.predict(LOGITS).tolist() == [[1, 0, 1], [0, 0, 0], [1, 1, 0]]
    strict = LabelSet(COLOURS.names, threshold=0.7)
    assert strict.predict(LOGITS).tolist() == [[1, 0, 0], [0, 0, 0], [0, 1, 0]]
    described = COLOURS.describe(LOGITS)
    assert [[one["label"] for one in row] for row in described] == [
        ["red", "blue"],
        [],
        ["green", "red"],
    ]
    assert described[0][0]["score"] == pytest.approx(1 / (1 + np.exp(-2)))
    assert json.loads(json.dumps(described)) == described


def test_metrics_by_hand() -> None:
    # red: 2 of 2 found, none wrong; green: 1 of 1; blue: 0 of 1 found, 1 wrong.
    found = COLOURS.score(LOGITS, EXPECTED)
    assert found == {
        "macro_f1": pytest.approx(2 / 3),
        "micro_f1": pytest.approx(2 * 3 / (2 * 3 + 1 + 1)),
        # The right one is first; behind two that are ranked like it; and the two are first.
        "ranking_average_precision": pytest.approx((1 + 1 / 3 + 1) / 3),
        "f1_red": 1.0,
        "f1_green": 1.0,
        "f1_blue": 0.0,
    }


@given(
    # In eighths: probabilities of logits that hardly differ are equal, or not, by their last bit.
    arrays.arrays(np.float32, (5, 3), elements=st.integers(-64, 64).map(lambda n: n / 8)),
    arrays.arrays(np.int64, (5, 3), elements=st.integers(0, 1)),
)
def test_ranking_is_that_of_scikit_learn(logits: Any, expected: Any) -> None:
    found = COLOURS.score((logits,), expected)["ranking_average_precision"]
    probabilities = 1 / (1 + np.exp(-logits.astype(float)))
    reference = sklearn.metrics.label_ranking_average_precision_score(expected, probabilities)
    assert found == pytest.approx(reference, abs=1e-9)


def test_a_model_that_diverged_is_scored() -> None:
    scores = COLOURS.score((np.full((3, 3), np.nan, np.float32),), EXPECTED)
    assert scores["micro_f1"] == 0
    assert np.isfinite(list(scores.values())).all()


def test_lists_in_json(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    path = lines(tmp_path / "a.jsonl", ROWS)
    task = load_classification(settings(train=path, validation=path))
    assert task.head.config["id2label"] == {0: "blue", 1: "green", 2: "red"}
    assert task.metric == "macro_f1"
    features = task.training_features(tokenizer)
    assert features["labels"][:] == [[1, 0, 1], [0, 0, 0], [0, 1, 1]]
    assert features.features["labels"] == List(Value("float32"))
    (one,) = task.evaluation_sets(tokenizer)
    right = np.where(np.array([[1, 0, 1], [0, 0, 0], [0, 1, 1]]), 5.0, -5.0)
    assert set(one.score((right,)).values()) == {1.0}


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl"])
def test_columns_of_zeros_and_ones(
    ending: str, tmp_path: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    path = tmp_path / f"a.{ending}"
    if ending == "jsonl":
        lines(path, [{"t": "one", "x": 1, "y": 0}, {"t": "two", "x": 0, "y": True}])
    else:
        mark = {"csv": ",", "tsv": "\t"}[ending]
        rows = [["t", "x", "y"], ["one", "1", "0"], ["two", "0.0", "1.0"]]
        path.write_text("".join(f"{mark.join(row)}\n" for row in rows), encoding="utf-8")
    task = load_classification(settings(train=str(path), label=["x", "y"]))
    assert task.head.config["id2label"] == {0: "x", 1: "y"}
    assert task.training_features(tokenizer)["labels"][:] == [[1, 0], [0, 1]]
    turned = load_classification(settings(train=str(path), label=["x", "y"], labels=["y", "x"]))
    assert turned.training_features(tokenizer)["labels"][:] == [[0, 1], [1, 0]]


def test_a_data_set_declares_its_labels(
    tmp_path: Path, dataset_cache: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    # As go_emotions has them: lists of places, some of them nobody's.
    features = Features({"t": Value("string"), "l": List(ClassLabel(names=["b", "a", "never"]))})
    rows = {"t": ["one", "two"], "l": [[0, 1], []]}
    folder = tmp_path / "set"
    folder.mkdir()
    Dataset.from_dict(rows, features=features).to_parquet(folder / "train.parquet")
    for path in (folder, folder / "train.parquet"):
        task = load_classification(settings(train=str(path)))
        assert list(task.head.config["id2label"].values()) == ["b", "a", "never"]
        assert task.training_features(tokenizer)["labels"][:] == [[1, 1, 0], [0, 0, 0]]
        assert any("no example has the label 'never'" in note for note in task.notes)
    assert dataset_cache == datasets.config.HF_DATASETS_CACHE


def test_a_test_set_without_labels(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    path = lines(tmp_path / "a.jsonl", ROWS)
    hidden = lines(tmp_path / "b.jsonl", [{"t": "one", "l": None}, {"t": "two"}])
    task = load_classification(settings(train=path, test=hidden))
    (one,) = task.evaluation_sets(tokenizer, "test")
    with pytest.raises(DataError, match="is unlabelled"):
        one.score((np.zeros((2, 3)),))
    empty = lines(tmp_path / "c.jsonl", [{"t": "one", "l": []}])
    (one,) = load_classification(settings(train=path, test=empty)).evaluation_sets(
        tokenizer, "test"
    )
    assert one.score((np.full((1, 3), -1.0),))["micro_f1"] == 0


def test_broken_rows(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", [*ROWS, {"t": "five", "l": "red"}, {"t": "six"}])
    with pytest.raises(DataError, match=r"a\.jsonl, line 4: the labels are 'red', of type str"):
        load_classification(settings(train=path))
    task = load_classification(settings(train=path, broken_rows="drop"))
    assert "broken rows left out: 2" in task.notes[0]


def test_labels_that_never_differ(tmp_path: Path) -> None:
    path = lines(
        tmp_path / "a.jsonl", [{"t": "one", "l": ["a", "b"]}, {"t": "two", "l": ["b", "a"]}]
    )
    with pytest.raises(DataError, match="all 2 examples have the same label"):
        load_classification(settings(train=path))


def test_a_column_is_missing(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", [{"t": "one", "x": 1, "y": 0}])
    with pytest.raises(DataError, match="has no column 'z', only 't', 'x', 'y'"):
        load_classification(settings(train=path, label=["x", "z"]))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"multi_label": False, "label": ["x", "y"]}, "several columns of labels need multi_label"),
        ({"multi_label": False, "threshold": 0.3}, "threshold 0.3 has no effect without"),
        ({"regression": True}, "regression predicts one number, multi_label several labels"),
        ({"label": ["x", "y"], "labels": ["x", "z"]}, "labels has to name the columns of label"),
        ({"label": ["x", "t"]}, "text and label have to name different columns"),
        ({"label": ["x", "x"]}, "text and label have to name different columns"),
        ({"label": ["x"]}, "label"),
        ({"threshold": 1}, "threshold"),
        ({"glue": "sst2"}, "glue determines labels, regression and multi_label"),
    ],
)
def test_settings_that_cannot_be(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        settings(train="a.jsonl", **values)
