"""Labels that were integers until a missing value made floats of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas
import pytest
from datasets import ClassLabel, Dataset, Features, Value
from pydantic import TypeAdapter
from transformers import PreTrainedTokenizerBase

from fineprune.errors import DataError
from fineprune.tasks.classification import (
    Classification,
    ClassificationSettings,
    load_classification,
)

ADAPTER = TypeAdapter(ClassificationSettings)
MISSING = float("nan")

WRITERS: dict[str, Callable[[pandas.DataFrame, Path], object]] = {
    "parquet": lambda frame, path: frame.to_parquet(path),
    "csv": lambda frame, path: frame.to_csv(path, index=False),
    "tsv": lambda frame, path: frame.to_csv(path, index=False, sep="\t"),
    "json": lambda frame, path: frame.to_json(path, orient="records"),
    "jsonl": lambda frame, path: frame.to_json(path, orient="records", lines=True),
}


@pytest.fixture(params=WRITERS)
def write(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str, list[Any]], str]:
    """Writes labels with texts as pandas does, in each format."""

    def write_labels(name: str, labels: list[Any]) -> str:
        path = tmp_path / f"{name}.{request.param}"
        texts = [f"text {place}" for place in range(len(labels))]
        WRITERS[request.param](pandas.DataFrame({"text": texts, "label": labels}), path)
        return str(path)

    return write_labels


def load(**section: Any) -> Classification:
    settings = ADAPTER.validate_python({"text": "text", "label": "label", **section})
    return load_classification(settings)


def names(task: Classification) -> list[str]:
    return list(task.head.config["id2label"].values())


def encoded(task: Classification, split: str = "validation") -> list[int]:
    labels = task.evaluation[split][""].labels  # type: ignore[index]
    assert labels is not None
    return [int(label) for label in labels]


def test_they_are_whole_numbers_again(
    write: Callable[[str, list[Any]], str], tokenizer: PreTrainedTokenizerBase
) -> None:
    path = write("a", [10, 9, MISSING, 9])
    task = load(train=path, broken_rows="drop")
    assert names(task) == ["9", "10"]
    assert task.training_features(tokenizer)["labels"][:] == [1, 0, 0]
    assert task.notes[-1].startswith(f"{path}: broken rows left out: 1, the first at ")
    assert task.notes[-1].endswith("the label is missing")
    with pytest.raises(DataError, match=r"(line|row) [34]: the label is missing"):
        load(train=path)


@pytest.mark.parametrize("whole", ["train", "validation"])
def test_one_set_may_have_floats_and_another_integers(
    write: Callable[[str, list[Any]], str], whole: str
) -> None:
    paths = {"train": write("a", [0, 1, MISSING]), "validation": write("b", [1, MISSING, 0])}
    paths[whole] = write("c", [0, 1, 1] if whole == "train" else [1, 0])
    task = load(**paths, broken_rows="drop")
    assert names(task) == ["0", "1"]
    assert encoded(task) == [1, 0]


def test_floats_without_a_missing_value_beside_known_classes(
    write: Callable[[str, list[Any]], str],
) -> None:
    validation = write("b", [1.0, 0.0])
    for train in (write("a", [0, 1]), write("c", [0, 1, MISSING])):
        task = load(train=train, validation=validation, broken_rows="drop")
        assert names(task) == ["0", "1"]
        assert encoded(task) == [1, 0]


def test_glue_in_floats(write: Callable[[str, list[Any]], str]) -> None:
    path = write("a", [1, 0, MISSING])
    task = load(glue="sst2", train=path, validation=path, broken_rows="drop")
    assert encoded(task) == [1, 0]


def test_a_number_with_a_fraction_leaves_all_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    pandas.DataFrame({"text": ["a", "b", "c"], "label": [1, 2.5, MISSING]}).to_csv(path)
    assert names(load(train=str(path), broken_rows="drop")) == ["1.0", "2.5"]
    path = tmp_path / "a.parquet"
    pandas.DataFrame({"text": ["a", "b", "c"], "label": [1, 2.5, MISSING]}).to_parquet(path)
    with pytest.raises(DataError, match=r"row 1: the label 1\.0 is of type float"):
        load(train=str(path))


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["1.0", "2.0"], ["1.0", "2.0"]),  # versions, say: nothing is missing
        (["1.0", "1", ""], ["1", "1.0"]),
        (["1.0", "01.0", ""], ["01.0", "1.0"]),
        (["1.0", "x", ""], ["1.0", "x"]),
        (["1.0", "1.00", ""], ["1.0", "1.00"]),
    ],
)
def test_different_texts_stay_different(
    tmp_path: Path, labels: list[str], expected: list[str]
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label\n" + "".join(f"a,{label}\n" for label in labels))
    assert names(load(train=str(path), broken_rows="drop")) == expected


def test_files_of_floats_and_of_integers_may_be_joined(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    labels = [1, 0, 1.0, None]
    path.write_text("".join(json.dumps({"text": "a", "label": n}) + "\n" for n in labels))
    task = load(train=str(path), validation=str(path), broken_rows="drop")
    assert names(task) == ["0", "1"]
    assert encoded(task) == [1, 0, 1]


def test_labels_that_look_like_one_are_noted(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label\na,1\nb,1.0\n")
    assert load(train=str(path)).notes == (f"{path}: '1.0' and '1' are different labels",)


def test_declared_classes_are_kept(tmp_path: Path) -> None:
    features = Features({"text": Value("string"), "label": ClassLabel(names=["1.0", "2.0"])})
    columns = {"text": ["a", "b", "c"], "label": [0, 1, -1]}
    Dataset.from_dict(columns, features=features).to_parquet(tmp_path / "a.parquet")
    task = load(train=str(tmp_path / "a.parquet"), broken_rows="drop")
    assert names(task) == ["1.0", "2.0"]


def test_names_that_the_recipe_lists_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label\na,1.0\nb,0.0\nc,\n")
    task = load(train=str(path), validation=str(path), labels=["0.0", "1.0"], broken_rows="drop")
    assert names(task) == ["0.0", "1.0"]
    assert encoded(task) == [1, 0]


def test_numbers_too_large_to_tell_apart_as_floats_are_no_labels(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    labels = [2.0**53, 2.0**54]
    pandas.DataFrame({"text": ["a", "b"], "label": labels}).to_parquet(path)
    with pytest.raises(DataError, match="is of type float"):
        load(train=str(path))


def test_a_number_is_to_be_predicted_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"text": "a", "label": n}) + "\n" for n in (1.0, 2.0)))
    task = load(train=str(path), validation=str(path), regression=True)
    assert encoded(task) == [1, 2]


def test_a_test_set_whose_labels_are_all_missing_is_unlabelled(
    write: Callable[[str, list[Any]], str],
) -> None:
    task = load(train=write("a", [0, 1]), test=write("b", [MISSING, MISSING]))
    assert task.notes[-1].endswith("unlabelled: can be predicted, not scored")
