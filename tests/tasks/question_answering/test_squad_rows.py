from pathlib import Path
from typing import Any

import datasets
import pytest

from fineprune.errors import DataError
from fineprune.tasks.data import SquadSource
from fineprune.tasks.question_answering.examples import Answer, Example
from fineprune.tasks.question_answering.formats import read_squad_rows
from fineprune.tasks.question_answering.loading import read_set


def read_rows(path: str, split: str) -> tuple[Example, ...]:
    return read_squad_rows(SquadSource(path=path, split=split))


ROWS = [
    {
        "id": "b1",
        "title": "Bees",
        "context": "Bees make honey.",
        "question": "What do bees make?",
        "answers": {"text": ["honey", "honey."], "answer_start": [10, 10]},
    },
    {
        "id": "b2",
        "title": "Bees",
        "context": "Bees make honey.",
        "question": "Why?",
        "answers": {"text": [], "answer_start": []},
    },
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    made = tmp_path / "bees"
    made.mkdir()
    return made


def save(rows: list[dict[str, Any]], folder: Path) -> str:
    datasets.Dataset.from_list(rows).to_parquet(folder / "train.parquet")
    return str(folder)


def test_reads_a_folder_in_row_format(folder: Path) -> None:
    examples = read_rows(save(ROWS, folder), "train")
    assert examples == (
        Example(
            "b1",
            "What do bees make?",
            "Bees make honey.",
            (Answer("honey", 10), Answer("honey.", 10)),
        ),
        Example("b2", "Why?", "Bees make honey.", ()),
    )


def test_missing_split_is_one_line(folder: Path) -> None:
    with pytest.raises(DataError, match=r"bees\[test\] cannot be loaded as a data set .*: .*test"):
        read_rows(save(ROWS, folder), "test")


def test_missing_column_is_named(folder: Path) -> None:
    rows = [{key: value for key, value in row.items() if key != "context"} for row in ROWS]
    with pytest.raises(
        DataError, match="no column 'context', only 'id', 'title', 'question', 'answers'"
    ):
        read_rows(save(rows, folder), "train")


def test_wrong_type_names_the_row(folder: Path) -> None:
    rows = [{**row, "answers": "honey"} for row in ROWS]
    with pytest.raises(DataError, match=r"\[train\], row 1: answers: input should be a valid dict"):
        read_rows(save(rows, folder), "train")


def test_texts_without_starts(folder: Path) -> None:
    rows = [ROWS[1], {**ROWS[0], "answers": {"text": ["honey"], "answer_start": []}}]
    with pytest.raises(DataError, match=r"\[train\], row 2: answers has 1 text and 0 answer_start"):
        read_rows(save(rows, folder), "train")


def test_damaged_file_is_one_line_with_its_cause(folder: Path) -> None:
    (folder / "train.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match=r"\[train\] cannot be loaded as a data set .*: Parquet"):
        read_rows(str(folder), "train")


def test_unreachable_hub_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(name: str, config: None, split: str) -> None:
        raise ConnectionError(f"Couldn't reach {name!r} on the Hub\nand much more")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(DataError) as caught:
        read_rows("rajpurkar/squad", "train")
    assert str(caught.value).startswith(
        "rajpurkar/squad[train] cannot be loaded as a data set of the hub or a folder of one: "
        "Couldn't reach 'rajpurkar/squad' on the Hub; the name of a file would end in .json"
    )
    assert "\n" not in str(caught.value)


def test_an_answer_without_text_stands_for_none(folder: Path) -> None:
    rows = [{**ROWS[0], "answers": {"text": [""], "answer_start": [-1]}}, ROWS[1]]
    source = SquadSource(path=save(rows, folder))
    loaded = read_set(source, "train", unanswerable=True, misaligned="refuse")
    assert [example.answers for example in loaded.examples] == [(), ()]
