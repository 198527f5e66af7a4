import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fineprune.demo import commands
from fineprune.demo.commands import (
    CommandDataset,
    Example,
    Pattern,
    patterns,
    patterns_file,
    split,
    unambiguous,
    words_of,
    write_command_dataset,
)
from fineprune.demo.run import QUESTIONS
from fineprune.errors import DataError, FinepruneError
from tests.demo.homes import home, save

Row = dict[str, str]


def rows(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return save(home(), tmp_path / "patterns.json")


@pytest.fixture(scope="module")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> CommandDataset:
    """The data of the demo itself."""
    try:
        file = patterns_file()
    except FinepruneError as error:
        pytest.skip(str(error))
    return write_command_dataset(tmp_path_factory.mktemp("packaged"), file)


def test_small_file_is_drawn_from(file: Path, tmp_path: Path) -> None:
    dataset = write_command_dataset(tmp_path / "new" / "folder", file)
    train, validation = rows(dataset.train), rows(dataset.validation)
    assert (len(train), len(validation)) == (dataset.train_examples, dataset.validation_examples)
    assert dataset.labels == ("Alpha", "Beta")
    assert (
        {row["label"] for row in train} == {row["label"] for row in validation} == {"Alpha", "Beta"}
    )
    polite = [row for row in train + validation if "please" in row["text"]]
    for row in train + validation:
        first, number, second = row["text"].replace("please", "").split()
        assert first == {"Alpha": "raise", "Beta": "lower"}[row["label"]]
        assert (0 <= int(number) <= 199, second[0]) == (True, "w")
    assert {row["text"].index("please") == 0 for row in polite} == {True, False}
    # 4 standard deviations of a binomial distribution with p = 0.25, of some 600 sentences.
    assert abs(len(polite) / len(train + validation) - 0.25) < 0.07
    assert not list(dataset.train.parent.glob(".*")), "a temporary file was left"


def test_validation_has_patterns_of_its_own(file: Path, tmp_path: Path) -> None:
    dataset = write_command_dataset(tmp_path, file)
    # In this file, a pattern's sentences end in a word of its own.
    trained, tested = (
        {(row["label"], row["text"].removesuffix(" please").split()[-1]) for row in rows(path)}
        for path in (dataset.train, dataset.validation)
    )
    assert not trained & tested
    assert Counter(label for label, _ in trained) == {"Alpha": 6, "Beta": 6}
    assert Counter(label for label, _ in tested) == {"Alpha": 2, "Beta": 2}


def test_the_same_file_gives_the_same_bytes(file: Path, tmp_path: Path) -> None:
    first, second = (write_command_dataset(tmp_path / name, file) for name in ("a", "b"))
    assert first.train.read_bytes() == second.train.read_bytes()
    assert first.validation.read_bytes() == second.validation.read_bytes()


def test_sentences_of_an_intent_do_not_depend_on_the_others(file: Path, tmp_path: Path) -> None:
    before = write_command_dataset(tmp_path / "before", file)
    content = home()
    content["intents"] = {"HassOther": other_intent(), **content["intents"]}
    after = write_command_dataset(tmp_path / "after", save(content, tmp_path / "more.json"))
    assert after.labels == ("Alpha", "Beta", "Other")
    for old, new in ((before.train, after.train), (before.validation, after.validation)):
        assert [row for row in rows(new) if row["label"] != "Other"] == rows(old)


def other_intent() -> dict[str, Any]:
    return {"data": [{"sentences": [f"open {{number}} x{n}" for n in range(8)]}]}


@pytest.mark.parametrize(
    "change",
    [
        {"intents": None},
        {"intents": {"HassAlpha": {}}},
        {"intents": {}},
        {"lists": {"number": {"range": {}}}},
        {"lists": {}},
        {"expansion_rules": []},
        {"skip_words": 1},
        {"expansion_rules": {}},
    ],
)
def test_a_file_of_another_form_is_one_clear_line(tmp_path: Path, change: dict[str, Any]) -> None:
    file = save({**home(), **change}, tmp_path / "patterns.json")
    with pytest.raises(DataError) as caught:
        write_command_dataset(tmp_path / "out", file)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b"null"])
def test_a_damaged_file_is_one_clear_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "patterns.json").write_bytes(content)
    with pytest.raises(DataError, match="is no file of sentence patterns"):
        write_command_dataset(tmp_path / "out", tmp_path / "patterns.json")


def test_without_a_file_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no file of sentence patterns"):
        write_command_dataset(tmp_path / "out", tmp_path / "missing")


def test_patterns_of_all_intents_that_have_enough() -> None:
    intents = {
        "HassFew": {"data": [{"sentences": ["a", "b", "c"]}]},
        "HassTwice": {"data": [{"sentences": ["a", "b"]}, {"sentences": ["a", "b"]}]},
        "HassEnough": {
            "data": [
                {"sentences": ["a {name}", "b"], "requires_context": {"domain": ["fan", "light"]}},
                {"sentences": ["a {name}", "c"], "requires_context": {"domain": "lock"}},
                {"sentences": ["d"], "requires_context": {"area": True}},
            ]
        },
    }
    assert list(patterns(intents)) == [
        Pattern("Enough", "a {name}", ("fan", "light", "lock")),
        Pattern("Enough", "b", ("fan", "light")),
        Pattern("Enough", "c", ("lock",)),
        Pattern("Enough", "d", ()),
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"values": [{"in": "(max|most)", "out": 100}, "least"]}, ["(max|most)", "least"]),
        ({"range": {"from": 1, "to": 3}}, ["1", "2", "3"]),
        ({"range": {"from": 0, "to": 10, "step": 5}}, ["0", "5", "10"]),
        ({"wildcard": True}, []),
    ],
)
def test_words_of_a_list(content: dict[str, Any], expected: list[str]) -> None:
    assert words_of(content) == expected


@given(st.lists(st.tuples(st.sampled_from("abc"), st.text(max_size=4)), unique=True))
def test_split_is_a_partition_by_text_alone(pairs: list[tuple[str, str]]) -> None:
    found = [Pattern(intent, text, ()) for intent, text in pairs]
    training, held_out = split(found)
    assert sorted(map(repr, training + held_out)) == sorted(map(repr, found))
    for intent in "abc":
        count = sum(one.intent == intent for one in found)
        assert sum(one.intent == intent for one in held_out) == round(count / 4)
    again = split(found[::-1])
    assert [set(part) for part in again] == [set(training), set(held_out)]


def test_sentences_that_cannot_be_learned_from_are_left_out() -> None:
    train = [
        Example("stop it", "Pause"),
        Example("Stop it", "Pause"),  # the same again
        Example("stop", "Pause"),
        Example("stop", "TurnOff"),  # two intents
        Example("go on", "Unpause"),
    ]
    validation = [
        Example("go on", "Unpause"),  # stands in the training set
        Example("halt", "Pause"),
        Example("stop", "Pause"),
    ]
    kept_train, kept_validation = unambiguous(train, validation)
    assert {*kept_train} == {Example("stop it", "Pause"), Example("go on", "Unpause")}
    assert kept_validation == [Example("halt", "Pause")]


def test_packaged_patterns_give_a_sane_data_set(packaged: CommandDataset) -> None:
    train, validation = rows(packaged.train), rows(packaged.validation)
    assert 20 <= len(packaged.labels) <= 40
    assert {row["label"] for row in train} == set(packaged.labels)
    assert {row["label"] for row in validation} == set(packaged.labels)
    counts = Counter(row["label"] for row in train)
    assert min(counts.values()) >= commands.LEAST_SENTENCES
    assert max(counts.values()) < 2 * commands.TRAINED_ON
    assert 0.15 < len(validation) / len(train) < 0.35


def test_packaged_sentences_are_clean(packaged: CommandDataset) -> None:
    everything = rows(packaged.train) + rows(packaged.validation)
    assert len({row["text"].casefold() for row in everything}) == len(everything)
    for row in everything:
        assert set(row) == {"text", "label"}
        assert row["text"] == " ".join(row["text"].split())
        assert not set(row["text"]) & set("[]()<>{}|;")


def test_what_the_demo_asks_was_not_trained_on(packaged: CommandDataset) -> None:
    trained = {words(row["text"]) for row in rows(packaged.train)}
    assert not trained & {words(question) for question in QUESTIONS}


def words(text: str) -> str:
    """Letters and digits alone, whatever their case."""
    return "".join(character for character in text.casefold() if character.isalnum())
