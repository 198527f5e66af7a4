from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from fineprune.tasks.data import SquadSource
from fineprune.tasks.question_answering import QuestionAnsweringSettings

SETTINGS = TypeAdapter(QuestionAnsweringSettings)


def test_defaults_are_those_of_squad() -> None:
    settings = SETTINGS.validate_python({"kind": "question-answering", "train": "a.json"})
    assert (settings.max_length, settings.stride) == (384, 128)
    assert (settings.n_best, settings.max_answer_length) == (20, 30)
    assert settings.unanswerable is False
    assert settings.misaligned == "drop"


def test_validation_touches_no_file() -> None:
    SETTINGS.validate_python({"train": "/no/such/file.json", "validation": "no/such-data-set"})


def test_settings_cannot_be_changed() -> None:
    settings = QuestionAnsweringSettings()
    with pytest.raises(FrozenInstanceError):
        settings.stride = 1  # type: ignore[misc]


def test_sources() -> None:
    settings = SETTINGS.validate_python(
        {"train": {"path": "a.JSON", "articles": "0:38"}, "test": "no/squad", "validation": None}
    )
    assert settings.train == SquadSource(path="a.JSON", articles="0:38")
    assert settings.train.is_file
    assert settings.train.article_slice() == slice(0, 38)
    assert str(settings.train) == "a.JSON[0:38]"
    assert settings.test == SquadSource(path="no/squad")
    assert not settings.test.is_file
    assert settings.test.article_slice() == slice(None)


@pytest.mark.parametrize(
    ("values", "key", "message"),
    [
        ({"max_lenght": 3}, "max_lenght", "Unexpected keyword"),
        ({"max_length": 0}, "max_length", "greater than or equal to 1"),
        ({"max_length": "384"}, "max_length", "valid integer"),
        ({"stride": -1}, "stride", "greater than or equal to 0"),
        ({"stride": True}, "stride", "valid integer"),
        ({"stride": 384}, None, "stride 384 must be less than max_length 384"),
        ({"n_best": 0}, "n_best", "greater than or equal to 1"),
        ({"max_answer_length": 0}, "max_answer_length", "greater than or equal to 1"),
        ({"unanswerable": "yes"}, "unanswerable", "valid boolean"),
        ({"null_threshold": float("nan"), "unanswerable": True}, "null_threshold", "finite"),
        ({"null_threshold": 1.5}, None, "null_threshold 1.5 has no effect without"),
        ({"misaligned": "ignore"}, "misaligned", "'drop' or 'refuse'"),
        ({"kind": "classification"}, "kind", "'question-answering'"),
        ({"train": 38}, "train", "expected a file, the name of a data set, or {path"),
        ({"train": ""}, "path", "at least 1 character"),
        ({"train": {"articles": ":"}}, "path", "Field required"),
        ({"train": {"path": "a.json", "articles": "1-3"}}, "articles", "match pattern"),
        ({"train": {"path": "a.json", "x": 1}}, "x", "Unexpected keyword"),
        ({"train": {"path": "no/squad", "articles": ":"}}, "train", "articles is for .json files"),
        ({"train": {"path": "a.json", "split": "x"}}, "train", "config and split are for data"),
    ],
)
def test_one_fault_names_key_and_expectation(
    values: dict[str, Any], key: str | None, message: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        SETTINGS.validate_python(values)
    (fault,) = caught.value.errors()
    assert message in fault["msg"]
    assert key in fault["loc"] if key else fault["loc"] == ()
