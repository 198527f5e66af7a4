"""Settings are checked without a look at any file."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from fineprune.tasks.classification import ClassificationSettings
from fineprune.tasks.classification.examples import Columns
from fineprune.tasks.data import TableSource

ADAPTER = TypeAdapter(ClassificationSettings)
OWN = {"train": "train.tsv", "text": "sentence", "label": "label"}


def read(**section: Any) -> ClassificationSettings:
    return ADAPTER.validate_python({"kind": "text-classification", **section})


def test_a_glue_task_of_the_hub() -> None:
    settings = read(glue="mnli", max_length=64)
    assert settings.columns == Columns(("premise", "hypothesis"), ("label",))
    assert settings.splits.train == (
        TableSource(path="nyu-mll/glue", config="mnli", split="train"),
    )
    assert set(settings.splits.validation) == {"matched", "mismatched"}


def test_a_glue_task_of_local_files() -> None:
    settings = read(
        glue="mnli",
        train=["a.tsv", "b.tsv"],
        validation={"matched": "m.tsv", "mismatched": ["n.tsv", "o.tsv"]},
        text=["sentence1", "sentence2"],
        label="gold_label",
    )
    assert settings.columns == Columns(("sentence1", "sentence2"), ("gold_label",))
    assert settings.splits.train == (TableSource(path="a.tsv"), TableSource(path="b.tsv"))
    assert settings.splits.validation == {
        "matched": (TableSource(path="m.tsv"),),
        "mismatched": (TableSource(path="n.tsv"), TableSource(path="o.tsv")),
    }
    assert settings.splits.test == {}


def test_own_data() -> None:
    rows = {"path": "data.json", "field": "train", "columns": ["text", "intent"]}
    settings = read(train=rows, validation=rows, text="text", label="intent", labels=[2, True, "a"])
    source = TableSource(path="data.json", field="train", columns=("text", "intent"))
    assert settings.splits.train == (source,)
    assert settings.splits.validation == {"": (source,)}
    assert settings.columns == Columns(("text",), ("intent",))
    assert settings.labels == ("2", "true", "a")


def test_in_python() -> None:
    settings = ClassificationSettings(
        train=(TableSource(path="a.tsv"),), text=("a", "b"), label="c", regression=True
    )
    assert settings == read(train="a.tsv", text=["a", "b"], label="c", regression=True)
    assert read(**OWN | {"train": Path("a.tsv")}).train == (TableSource(path="a.tsv"),)


@pytest.mark.parametrize(
    "section",
    [
        {"glue": "SST-2"},
        OWN,
        OWN | {"validation": {"in": "a.csv", "out": ["b.csv", {"path": "me/set", "split": "x"}]}},
        OWN | {"train": {"path": "a.tsv.gz", "quoting": "minimal", "columns": ["a", "b"]}},
        {"labels": ["a", "b"], "test": "a.csv", "text": "t", "label": "l"},
    ],
)
def test_what_is_written_is_read_again(section: dict[str, Any]) -> None:
    settings = read(**section)
    assert read(**ADAPTER.dump_python(settings, mode="json")) == settings


@pytest.mark.parametrize(
    ("section", "place", "words"),
    [
        ({}, (), "text and label have to name columns"),
        ({"train": "a.tsv", "text": "a"}, (), "text and label have to name columns"),
        ({"text": "a", "label": "b"}, (), "train is needed to learn the labels from"),
        ({"text": "a", "label": "b", "labels": ["x", "y"]}, (), "has to name data"),
        (OWN | {"label": "sentence"}, (), "different columns"),
        (OWN | {"text": ["a", "a"]}, (), "different columns"),
        (OWN | {"text": ["a", "b", "c"]}, ("text",), "at most 2"),
        (OWN | {"labels": ["x"]}, (), "at least two classes"),
        (OWN | {"labels": ["1", 1]}, (), "each once"),
        (OWN | {"labels": ["x", 1.5]}, ("labels",), "of type float"),
        (OWN | {"labels": ["x", "y"], "regression": True}, (), "a regression has none"),
        (OWN | {"glue": "rte", "regression": True}, (), "glue determines labels"),
        (OWN | {"max_length": 0}, ("max_length",), "greater than 0"),
        (OWN | {"max_length": "long"}, ("max_length",), "valid integer"),
        (OWN | {"broken_rows": "ignore"}, ("broken_rows",), "'refuse' or 'drop'"),
        (OWN | {"kind": "other"}, ("kind",), "text-classification"),
        (OWN | {"lable": "x"}, ("lable",), "Unexpected"),
        (OWN | {"train": 3}, ("train",), "valid tuple"),
        (OWN | {"train": {"file": "a"}}, ("train", 0, "path"), "required"),
        (OWN | {"validation": {"dev": []}}, ("validation", "dev"), "at least 1 item"),
        (OWN | {"validation": {"pth": "a", "field": "b"}}, ("validation", "", 0, "path"), ""),
        ({"glue": "mnli-mm"}, ("glue",), "not a task of GLUE; its tasks are cola, sst2"),
        (OWN | {"train": ""}, ("train", 0, "path"), "at least 1 character"),
        (OWN | {"train": {"path": "a.tsv", "field": "x"}}, ("train", 0), "field is for .json"),
        (OWN | {"train": {"path": "a.parquet", "columns": ["x"]}}, ("train", 0), "files of rows"),
        (OWN | {"train": {"path": "a/b", "columns": ["x"]}}, ("train", 0), "files of rows"),
        (OWN | {"train": {"path": "a.tsv", "columns": ["x", "x"]}}, ("train", 0), "a name twice"),
        (OWN | {"train": {"path": "a.json", "quoting": "none"}}, ("train", 0), ".tsv and .csv"),
        (OWN | {"train": {"path": "me/set", "quoting": "none"}}, ("train", 0), ".tsv and .csv"),
        (
            OWN | {"train": {"path": "a.tsv", "quoting": "all"}},
            ("train", 0, "quoting"),
            "'none' or",
        ),
        (OWN | {"train": {"path": "a.tsv", "split": "x"}}, ("train", 0), "is a file"),
        (OWN | {"train": {"path": "a.csv.gz", "config": "x"}}, ("train", 0), "is a file"),
    ],
)
def test_what_is_refused(section: dict[str, Any], place: tuple[object, ...], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        read(**section)
    first = caught.value.errors()[0]
    assert first["loc"] == place
    assert words in first["msg"]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (TableSource(path="a.json", field="val"), "a.json[val]"),
        (TableSource(path="me/set", config="en", split="train[:9%]"), "me/set[en, train[:9%]]"),
        (TableSource(path="a.tsv"), "a.tsv"),
    ],
)
def test_how_a_source_is_called(source: TableSource, text: str) -> None:
    assert str(source) == text
