"""From settings and files to features, metrics and predictions."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, Value
from pydantic import TypeAdapter
from transformers import PreTrainedTokenizerBase

from fineprune.errors import DataError, RecipeError
from fineprune.tasks.classification import (
    Classification,
    ClassificationSettings,
    glue,
    load_classification,
)

ADAPTER = TypeAdapter(ClassificationSettings)
INTENTS = {
    "train": [["one", "count"], ["two six", "count"], ["three", "greet"], ["four", "count"]],
    "val": [["five", "greet"], ["six", "greet"], ["one one", "count"]],
}


def load(**section: Any) -> Classification:
    settings: ClassificationSettings = ADAPTER.validate_python(section)
    return load_classification(settings)


@pytest.fixture
def intents(tmp_path: Path) -> dict[str, Any]:
    """The section of a recipe for a small set of intents."""
    path = tmp_path / "intents.json"
    path.write_text(json.dumps(INTENTS))
    rows = {"path": str(path), "columns": ["text", "intent"]}
    return {
        "train": rows | {"field": "train"},
        "validation": rows | {"field": "val"},
        "text": "text",
        "label": "intent",
        "max_length": 3,
    }


def logits(*rows: list[float]) -> tuple[np.ndarray[Any, Any]]:
    return (np.array(rows, dtype=np.float32),)


def test_training_features(intents: dict[str, Any], tokenizer: PreTrainedTokenizerBase) -> None:
    features = load(**intents).training_features(tokenizer)
    assert features[:] == {
        "input_ids": [[2, 4, 3], [2, 5, 3], [2, 6, 3], [2, 7, 3]],
        "token_type_ids": [[0] * 3] * 4,
        "attention_mask": [[1] * 3] * 4,
        "labels": [0, 0, 1, 0],
    }
    assert features.features["labels"] == Value("int64")
    assert features.cache_files == []


def test_evaluation(intents: dict[str, Any], tokenizer: PreTrainedTokenizerBase) -> None:
    task = load(**intents)
    assert task.metric == "accuracy"
    assert task.notes == ()
    assert task.splits == {"validation"}
    assert task.head.config["id2label"] == {0: "count", 1: "greet"}
    (evaluation,) = task.evaluation_sets(tokenizer)
    assert (evaluation.name, evaluation.examples) == ("", 3)
    assert evaluation.features.column_names == ["input_ids", "token_type_ids", "attention_mask"]
    assert evaluation.features["input_ids"][:] == [[2, 8, 3], [2, 9, 3], [2, 4, 3]]
    outputs = logits([0, 1], [1, 0], [1, 0])
    # Of greet and count: 1 hit of 1 predicted and 2 there, 1 hit of 2 predicted and 1 there.
    assert evaluation.score(outputs) == pytest.approx({"accuracy": 2 / 3, "macro_f1": 2 / 3})
    predictions = evaluation.predictions(outputs)
    assert [p["label"] for p in predictions] == ["greet", "count", "count"]
    assert predictions[0]["score"] == pytest.approx(1 / (1 + np.exp(-1)))


def test_a_split_that_the_recipe_does_not_name(
    intents: dict[str, Any], tokenizer: PreTrainedTokenizerBase
) -> None:
    with pytest.raises(DataError, match=r"set task\.test"):
        load(**intents).evaluation_sets(tokenizer, "test")


def test_evaluation_without_training_data(
    intents: dict[str, Any], tokenizer: PreTrainedTokenizerBase
) -> None:
    task = load(**intents | {"train": [], "labels": ["greet", "count"]})
    assert task.head.config["id2label"] == {0: "greet", 1: "count"}
    assert len(task.evaluation_sets(tokenizer)) == 1
    with pytest.raises(DataError, match=r"set task\.train"):
        task.training_features(tokenizer)


def test_max_length_beyond_the_model(
    intents: dict[str, Any], tokenizer: PreTrainedTokenizerBase
) -> None:
    task = load(**intents | {"max_length": 129})
    with pytest.raises(RecipeError, match=r"task\.max_length is 129"):
        task.training_features(tokenizer)
    with pytest.raises(RecipeError, match=r"task\.max_length is 129"):
        task.evaluation_sets(tokenizer)


def test_labels_that_are_listed_but_absent_are_noted(intents: dict[str, Any]) -> None:
    task = load(**intents | {"labels": ["greet", "leave", "count"]})
    assert task.head.config["num_labels"] == 3
    (note,) = task.notes
    assert note.endswith("no example has the label 'leave'")


def test_an_unknown_label_in_the_evaluation_set(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("t,l\none,a\ntwo,b\n")
    (tmp_path / "dev.csv").write_text("t,l\none,a\ntwo,c\n")
    section = {
        "train": str(tmp_path / "train.csv"),
        "validation": str(tmp_path / "dev.csv"),
        "text": "t",
        "label": "l",
    }
    with pytest.raises(DataError, match=r"dev\.csv, line 3: the label 'c' is unknown"):
        load(**section)
    task = load(**section, broken_rows="drop")
    assert task.notes == (
        f"{tmp_path / 'dev.csv'}: broken rows left out: 1, "
        "the first at line 3: the label 'c' is unknown: known are 'a', 'b'",
    )


@pytest.mark.parametrize(
    ("labels", "options"), [("aaa", {}), ("111", {"regression": True}), ("bbb", {"labels": "ab"})]
)
def test_one_label_is_too_few(tmp_path: Path, labels: str, options: dict[str, Any]) -> None:
    (tmp_path / "a.tsv").write_text("t\tl\n" + "".join(f"one\t{label}\n" for label in labels))
    options = {key: list(v) if isinstance(v, str) else v for key, v in options.items()}
    with pytest.raises(DataError, match="all 3 examples have the same label"):
        load(train=str(tmp_path / "a.tsv"), text="t", label="l", **options)


def test_regression_on_pairs(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    lines = [
        {"one": "one", "two": "two", "score": 0.1},
        {"one": "three", "two": "four five", "score": 2},
        {"one": "six", "two": "six", "score": "4.5"},
    ]
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    task = load(
        train=str(path), validation=str(path), text=["one", "two"], label="score", regression=True
    )
    assert task.head.config == {"num_labels": 1, "problem_type": "regression"}
    assert task.metric == "pearson"
    features = task.training_features(tokenizer)
    assert features.features["labels"] == Value("float32")
    assert features["labels"][:] == [np.float32(0.1), 2.0, 4.5]
    assert features["input_ids"][1] == [2, 6, 3, 7, 8, 3]
    (evaluation,) = task.evaluation_sets(tokenizer)
    metrics = evaluation.score(logits([0.1], [2.0], [3.5]))
    assert metrics["spearman"] == pytest.approx(1)
    assert metrics["mse"] == pytest.approx(1 / 3)
    assert evaluation.predictions(logits([0.5])) == [{"value": 0.5}]


def test_mnli_from_local_files(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    def write(name: str, *rows: str) -> str:
        header = "index\tsentence1\tsentence2\tgold_label"
        lines = [f"{i}\t{row}" for i, row in enumerate(rows)]
        (tmp_path / name).write_text("".join(f"{line}\n" for line in (header, *lines)))
        return str(tmp_path / name)

    task = load(
        glue="MNLI",
        train=write("train.tsv", "one\ttwo\tneutral", "one\tone\tentailment"),
        validation={
            "matched": write("m.tsv", "two\t2\tcontradiction"),
            "mismatched": write("n.tsv", "three\tfour\tentailment", "four\tsix\tneutral"),
        },
        text=["sentence1", "sentence2"],
        label="gold_label",
    )
    assert task.training_features(tokenizer)["labels"][:] == [1, 0]
    matched, mismatched = task.evaluation_sets(tokenizer)
    assert (matched.name, matched.examples) == ("matched", 1)
    assert (mismatched.name, mismatched.examples) == ("mismatched", 2)
    assert matched.score(logits([0, 0, 1])) == {"accuracy": 1.0}
    assert mismatched.score(logits([1, 0, 0], [0, 0, 1])) == {"accuracy": 0.5}


def write_hub(folder: Path, name: str, splits: Mapping[str, Dataset]) -> None:
    """A configuration as the data set of GLUE on the hub has them."""
    entries = []
    for split, dataset in splits.items():
        dataset.to_parquet(folder / f"{split}-00000-of-00001.parquet")
        entries.append(f"  - split: {split}\n    path: {split}-*\n")
    (folder / "README.md").write_text(
        f"---\nconfigs:\n- config_name: {name}\n  data_files:\n{''.join(entries)}---\n"
    )


@pytest.fixture
def hub(tmp_path: Path, dataset_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for the data set of GLUE on the hub."""
    folder = tmp_path / "glue"
    folder.mkdir()
    monkeypatch.setattr(glue, "HUB_NAME", str(folder))
    return folder


def test_mnli_from_the_hub(hub: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    features = Features(
        {
            "premise": Value("string"),
            "hypothesis": Value("string"),
            "label": ClassLabel(names=["entailment", "neutral", "contradiction"]),
        }
    )

    def rows(*labels: int) -> Dataset:
        texts = ["one"] * len(labels)
        columns = {"premise": texts, "hypothesis": texts, "label": list(labels)}
        return Dataset.from_dict(columns, features=features)

    write_hub(
        hub,
        "mnli",
        {
            "train": rows(2, 1, 0),
            "validation_matched": rows(2),
            "validation_mismatched": rows(1, 1),
            "test_matched": rows(-1),
            "test_mismatched": rows(-1, -1),
        },
    )
    task = load(glue="mnli")
    assert task.training_features(tokenizer)["labels"][:] == [2, 1, 0]
    assert {e.name: e.examples for e in task.evaluation_sets(tokenizer)} == {
        "matched": 1,
        "mismatched": 2,
    }
    assert task.splits == {"validation", "test"}
    hidden = task.evaluation_sets(tokenizer, "test")
    assert [e.name for e in hidden] == ["matched", "mismatched"]
    assert hidden[0].predictions(logits([0, 5, 0]))[0]["label"] == "neutral"
    with pytest.raises(DataError, match="is unlabelled, as the test sets of GLUE are"):
        hidden[0].score(logits([0, 5, 0]))


def test_stsb_from_the_hub(hub: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    def rows(*scores: float) -> Dataset:
        texts = ["one"] * len(scores)
        return Dataset.from_dict({"sentence1": texts, "sentence2": texts, "label": list(scores)})

    splits = {"train": rows(0.5, 5.0), "validation": rows(1.0, 2.0), "test": rows(-1.0, -1.0)}
    write_hub(hub, "stsb", splits)
    task = load(glue="STS-B")
    assert task.head.config == {"num_labels": 1, "problem_type": "regression"}
    assert task.training_features(tokenizer)["labels"][:] == [0.5, 5.0]
    (validation,) = task.evaluation_sets(tokenizer)
    assert validation.score(logits([3], [1])) == {
        "pearson": pytest.approx(-1),
        "spearman": pytest.approx(-1),
    }
    (test,) = task.evaluation_sets(tokenizer, "test")
    with pytest.raises(DataError, match="is unlabelled, as the test sets of GLUE are"):
        test.score(logits([3], [1]))


@pytest.mark.usefixtures("dataset_cache")
def test_a_data_set_with_its_own_splits(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    features = Features({"text": Value("string"), "label": ClassLabel(names=["yes", "no"])})
    for split, labels in (("train", [1, 0]), ("validation", [1]), ("test", [0, 0, 1])):
        columns = {"text": ["one"] * len(labels), "label": labels}
        dataset = Dataset.from_dict(columns, features=features)
        dataset.to_parquet(folder / f"{split}.parquet")
    task = load(train=str(folder), text="text", label="label")
    assert task.head.config["id2label"] == {0: "yes", 1: "no"}
    assert task.evaluation_sets(tokenizer)[0].examples == 1
    assert task.evaluation_sets(tokenizer, "test")[0].examples == 3


def test_a_hub_that_cannot_be_reached_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unreachable(*args: Any, **options: Any) -> None:
        raise ConnectionError("Couldn't reach it")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(DataError, match=r"nyu-mll/glue\[rte, train\] cannot be loaded"):
        load(glue="rte")
