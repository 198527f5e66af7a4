"""Data sets of the hub, tested on local folders that are laid out like one."""

from pathlib import Path
from typing import Any

import datasets
import pytest
from datasets import ClassLabel, Dataset, Features, Value

from fineprune.errors import DataError
from fineprune.tasks.data import (
    Splits,
    TableSource,
    read,
    refuse,
    with_default_splits,
)

pytestmark = pytest.mark.usefixtures("dataset_cache")

FEATURES = Features(
    {"text": Value("string"), "label": ClassLabel(names=["no", "yes"]), "idx": Value("int32")}
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data set with the splits train and test."""
    folder = tmp_path / "set"
    folder.mkdir()
    for split, labels in (("train", [1, 0, 1, 0]), ("test", [-1, -1])):
        columns = {
            "text": [f"{split} {i}" for i in range(len(labels))],
            "label": labels,
            "idx": list(range(len(labels))),
        }
        Dataset.from_dict(columns, features=FEATURES).to_parquet(folder / f"{split}.parquet")
    return folder


def rows(source: TableSource) -> list[tuple[object, ...]]:
    table = read(source, {"text", "label"}, refuse)
    return list(zip(table.column("text"), table.column("label"), strict=True))


def test_classes_are_named_and_hidden_ones_missing(folder: Path) -> None:
    assert rows(TableSource(path=str(folder), split="train[:2]")) == [
        ("train 0", "yes"),
        ("train 1", "no"),
    ]
    assert rows(TableSource(path=str(folder), split="test")) == [("test 0", None), ("test 1", None)]


def test_what_is_known_of_the_table(folder: Path) -> None:
    table = read(TableSource(path=str(folder), split="train"), {"label"}, refuse)
    assert table.found == ("text", "label", "idx")
    assert table.class_names == {"label": ("no", "yes")}
    assert (table.unit, list(table.numbers)) == ("row", [1, 2, 3, 4])


def test_nothing_is_left_in_the_folder(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    rows(TableSource(path=str(folder), split="train"))
    assert sorted(folder.rglob("*")) == before


def test_own_splits_are_used_where_they_exist(folder: Path) -> None:
    source = TableSource(path=str(folder))
    splits = with_default_splits(Splits(train=(source,)))
    assert splits.train == (TableSource(path=str(folder), split="train"),)
    assert splits.validation == {}
    assert splits.test == {"": (TableSource(path=str(folder), split="test"),)}


def test_given_splits_stay() -> None:
    file, data = TableSource(path="a.tsv"), TableSource(path="me/set", split="train[90%:]")
    splits = Splits(train=(file,), validation={"a": (data,), "b": (TableSource(path="me/set"),)})
    assert with_default_splits(splits) == Splits(
        train=(file,),
        validation={"a": (data,), "b": (TableSource(path="me/set", split="validation"),)},
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"split": "validation"}, 'Unknown split "validation". Should be one of'),
        ({"split": "train", "config": "mrpc"}, "'mrpc' not found. Available: ['default']"),
    ],
)
def test_splits_and_configurations_that_are_not_there(
    folder: Path, options: dict[str, Any], words: str
) -> None:
    source = TableSource(path=str(folder), **options)
    with pytest.raises(DataError) as caught:
        read(source, {"text"}, refuse)
    assert str(caught.value).startswith(f"{source} cannot be loaded as a data set")
    assert words in str(caught.value)


def test_a_file_in_the_folder_that_is_broken(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"text": "a"\n')
    with pytest.raises(DataError, match="cannot be loaded as a data set") as caught:
        read(TableSource(path=str(tmp_path), split="train"), {"text"}, refuse)
    assert "\n" not in str(caught.value)


def test_a_hub_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(path: str, *args: Any, **options: Any) -> None:
        raise ConnectionError(f"Couldn't reach {path!r} on the Hub\nand more")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(DataError) as caught:
        read(TableSource(path="me/set", split="train"), {"text"}, refuse)
    assert str(caught.value) == (
        "me/set[train] cannot be loaded as a data set of the hub or a folder of one: "
        "Couldn't reach 'me/set' on the Hub; "
        "the name of a file would end in .tsv, .csv, .json, .jsonl, .conll, .bio, .iob, .parquet"
    )


def test_a_folder_of_tsv_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text('text\tlabel\n"a\t1\n')
    with pytest.raises(DataError, match=r"name the files themselves, such as .*train\.tsv"):
        read(TableSource(path=str(tmp_path), split="train"), {"text"}, refuse)
