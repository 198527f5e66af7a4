from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fineprune.errors import DataError
from fineprune.tasks.data import SquadSource
from fineprune.tasks.question_answering import loading
from fineprune.tasks.question_answering.examples import (
    Answer,
    Example,
    SetName,
    drop_misaligned,
)
from fineprune.tasks.question_answering.loading import ExampleSet, read_set
from fineprune.tasks.question_answering.settings import MisalignedPolicy

Write = Callable[[object], str]
Data = dict[str, Any]


def read(
    path: str,
    role: SetName = "train",
    unanswerable: bool = False,
    misaligned: MisalignedPolicy = "drop",
) -> ExampleSet:
    return read_set(SquadSource(path=path), role, unanswerable=unanswerable, misaligned=misaligned)


def question(squad: Data, index: int = 0) -> Data:
    chosen: Data = squad["data"][0]["paragraphs"][0]["qas"][index]
    return chosen


def test_clean_data_has_no_notes(squad: Data, write: Write) -> None:
    loaded = read(write(squad), misaligned="refuse")
    assert len(loaded.examples) == 3
    assert loaded.notes == ()


def test_slice_of_articles(squad: Data, write: Write) -> None:
    source = SquadSource(path=write(squad), articles="-1:")
    loaded = read_set(source, "train", unanswerable=False, misaligned="refuse")
    assert [example.id for example in loaded.examples] == ["b1"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (SquadSource(path="no/squad"), SquadSource(path="no/squad", split="validation")),
        (SquadSource(path="no/squad", config="en", split="test"),) * 2,
    ],
)
def test_what_is_no_json_file_is_a_data_set(
    source: SquadSource, expected: SquadSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def read_squad_rows(source: SquadSource) -> tuple[Example, ...]:
        asked.append(source)
        return (Example("a", "?", "b", (Answer("b", 0),)),)

    monkeypatch.setattr(loading, "read_squad_rows", read_squad_rows)
    read_set(source, "validation", unanswerable=False, misaligned="drop")
    assert asked == [expected]


def test_no_questions(write: Write) -> None:
    with pytest.raises(DataError, match=r"squad\.json: holds no questions"):
        read(write({"data": [{"paragraphs": []}]}))


def test_duplicate_ids(squad: Data, write: Write) -> None:
    question(squad, 1)["id"] = "b1"
    with pytest.raises(DataError, match=r"squad\.json: 2 questions have the id 'b1'"):
        read(write(squad))


def test_missing_answer_only_where_allowed(squad: Data, write: Write) -> None:
    question(squad, 1)["answers"] = []
    path = write(squad)
    with pytest.raises(
        DataError, match=r"squad\.json: question 'n2' has no answer; .*set unanswerable"
    ):
        read(path)
    assert read(path, unanswerable=True).examples[1].answers == ()


@pytest.mark.parametrize("text", ["", " \n"])
@pytest.mark.parametrize("start", [0, -1, 3])
@pytest.mark.parametrize("flag", [{}, {"is_impossible": True}, {"is_impossible": False}])
@pytest.mark.parametrize("role", ["train", "validation"])
def test_an_answer_without_text_stands_for_none(
    text: str, start: int, flag: Data, role: SetName, squad: Data, write: Write
) -> None:
    question(squad, 1).update(answers=[{"text": text, "answer_start": start}], **flag)
    loaded = read(write(squad), role, unanswerable=True, misaligned="refuse")
    assert [bool(example.answers) for example in loaded.examples] == [True, False, True]
    assert loaded.notes == ()


def test_an_answer_without_text_does_not_count_beside_others(squad: Data, write: Write) -> None:
    question(squad)["answers"].insert(0, {"text": "", "answer_start": 0})
    loaded = read(write(squad), unanswerable=True)
    assert [answer.text for answer in loaded.examples[0].answers] == ["France", "in France"]
    assert loaded.notes == ()


def test_where_every_question_has_an_answer_one_without_text_names_the_key(
    squad: Data, write: Write
) -> None:
    question(squad, 1)["answers"] = [{"text": "", "answer_start": -1}]
    (note,) = read(write(squad)).notes
    assert ", 1 of them empty, which unanswerable: true takes for no answer" in note
    question(squad, 1)["is_impossible"] = True
    with pytest.raises(DataError, match=r"'n2' has no answer; .*set unanswerable: true"):
        read(write(squad))


@pytest.mark.parametrize(
    ("text", "start"), [("Denmark", 3), ("Denmark", -8), ("Denmark", 10**6), ("", 3), (" ", 3)]
)
def test_misaligned_answer_is_never_trained_on(
    text: str, start: int, squad: Data, write: Write
) -> None:
    question(squad, 1)["answers"] = [{"text": text, "answer_start": start}]
    loaded = read(write(squad))
    assert [example.id for example in loaded.examples] == ["n1", "b1"]
    (note,) = loaded.notes
    assert "1 of 4 answers are not in the context at their answer_start" in note
    assert "question 'n2'" in note
    assert "and 1 questions with them" in note


def test_question_stays_with_its_other_answer(squad: Data, write: Write) -> None:
    question(squad)["answers"][0]["answer_start"] += 1
    loaded = read(write(squad))
    assert [answer.text for answer in loaded.examples[0].answers] == ["in France"]
    assert len(loaded.notes) == 1


def test_evaluation_keeps_misaligned_answers(squad: Data, write: Write) -> None:
    question(squad, 1)["answers"][0]["answer_start"] += 1
    loaded = read(write(squad), "validation")
    assert len(loaded.examples) == 3
    assert loaded.notes[0].endswith("kept, because only their text is scored")


@pytest.mark.parametrize("role", ["train", "validation", "test"])
def test_refuse_stops_in_any_set(role: SetName, squad: Data, write: Write) -> None:
    question(squad, 1)["answers"][0]["answer_start"] += 1
    with pytest.raises(DataError, match=r"1 of 4 answers are not in .*'n2'.*set misaligned: drop"):
        read(write(squad), role, misaligned="refuse")


def test_nothing_left(squad: Data, write: Write) -> None:
    path = write({"data": squad["data"][1:]})
    squad["data"][1]["paragraphs"][0]["context"] = "Honey is made by bees."
    write({"data": squad["data"][1:]})
    with pytest.raises(DataError, match="no question is left to train on"):
        read(path)


def test_unanswerable_questions_are_not_dropped() -> None:
    none = Example("a", "?", "b", ())
    wrong = Example("b", "?", "b", (Answer("c", 0),))
    assert drop_misaligned([none, wrong]) == (none,)


@pytest.mark.shared
def test_covid_qa_has_234_misaligned(shared: Path) -> None:
    path = str(shared / "data" / "covid-qa" / "200423_covidQA.json")
    loaded = read(path)
    assert len(loaded.examples) == 1380 - 234
    assert "234 of 1380 answers" in loaded.notes[0]
    assert all(answer.is_aligned(e.context) for e in loaded.examples for answer in e.answers)
    assert len(read(path, "validation").examples) == 1380
