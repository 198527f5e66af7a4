import codecs
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fineprune.errors import DataError
from fineprune.tasks.data import SquadSource
from fineprune.tasks.question_answering import formats
from fineprune.tasks.question_answering.examples import Answer, Example


def read_squad_file(path: str | Path, articles: str | None = None) -> tuple[Example, ...]:
    return formats.read_squad_file(SquadSource(path=str(path), articles=articles))


Write = Callable[[object], str]
Data = dict[str, Any]


def first_question(squad: Data) -> Data:
    question: Data = squad["data"][0]["paragraphs"][0]["qas"][0]
    return question


def test_reads_questions_in_order_with_all_answers(squad: Data, write: Write) -> None:
    examples = read_squad_file(write(squad))
    assert [example.id for example in examples] == ["n1", "n2", "b1"]
    assert [answer.text for answer in examples[0].answers] == ["France", "in France"]
    assert examples[2] == Example(
        "b1", "What do bees make?", "Bees make honey.", (Answer("honey", 10),)
    )


def test_reads_articles_asked_for(squad: Data, write: Write) -> None:
    path = write(squad)
    assert [example.id for example in read_squad_file(path, "1:")] == ["b1"]
    with pytest.raises(DataError, match=r"json\[5:7\]: none of the 2 articles"):
        read_squad_file(path, "5:7")


def test_reads_squad_2(squad: Data, write: Write) -> None:
    first_question(squad).update(
        answers=[], is_impossible=True, plausible_answers=[{"text": "France", "answer_start": 0}]
    )
    assert read_squad_file(write(squad))[0].answers == ()


def test_reads_numbers_as_ids_and_a_byte_order_mark(squad: Data, tmp_path: Path) -> None:
    first_question(squad)["id"] = 262
    path = tmp_path / "bom.json"
    path.write_bytes(codecs.BOM_UTF8 + json.dumps(squad).encode())
    assert read_squad_file(path)[0].id == "262"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "EOF while parsing"),
        (b"sentence\tlabel\n", "expected value at line 1"),
        (b'{"data": [', "EOF while parsing"),
        (b"\xff\xfe{\x00}\x00", "expected value at line 1"),
        (b'{"data": [{"paragraphs": [{"context": "\xff", "qas": []}]}]}', "invalid unicode"),
        (b"[]", "the top level: input should be an object, found []"),
        (b"{}", "key 'data' is missing at the top level"),
        (b'{"data": 3}', "data: input should be a valid array, found 3"),
    ],
)
def test_broken_files_get_one_line(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_squad_file(path)
    assert str(caught.value).startswith(f"{path}: not a JSON file in SQuAD format: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.json: there is no such file"):
        read_squad_file(tmp_path / "gone.json")
    (tmp_path / "a.json").mkdir()
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        read_squad_file(tmp_path / "a.json")


@pytest.mark.parametrize("key", ["id", "question", "answers"])
def test_missing_key_is_named_with_its_place(key: str, squad: Data, write: Write) -> None:
    del first_question(squad)[key]
    with pytest.raises(
        DataError, match=rf"key '{key}' is missing at data\[0\]\.paragraphs\[0\]\.qas\[0\]$"
    ):
        read_squad_file(write(squad))


def test_wrong_value_is_shortened(squad: Data, write: Write) -> None:
    first_question(squad)["answers"] = "x" * 1000
    with pytest.raises(DataError, match=r"qas\[0\]\.answers: input .* array, found 'x{76}\.\.\.$"):
        read_squad_file(write(squad))


@pytest.mark.parametrize(
    ("impossible", "count", "message"),
    [(True, 1, "is_impossible true and 1 answers"), (False, 0, "is_impossible false and 0")],
)
def test_contradiction_between_answers_and_flag(
    impossible: bool, count: int, message: str, squad: Data, write: Write
) -> None:
    question = first_question(squad)
    question.update(is_impossible=impossible, answers=question["answers"][:count])
    with pytest.raises(DataError, match=f"question 'n1' has {message}"):
        read_squad_file(write(squad))
