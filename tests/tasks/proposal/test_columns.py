"""Which column is taken for what."""

from typing import Any

import pytest

from fineprune.errors import DataError
from fineprune.tasks.proposal.columns import Choice, choose_columns
from fineprune.tasks.proposal.profiles import Profile, words_in
from fineprune.tasks.proposal.splits import split_questions, split_rows

LONG = [f"some words of a long text, number {i}" for i in range(30)]
SHORT = [f"a title {i} of it" for i in range(30)]
CLASSES = ["red", "green", "blue"] * 10


def choice(**columns: list[Any]) -> Choice:
    profiles = [Profile(name, values, i) for i, (name, values) in enumerate(columns.items())]
    return choose_columns(profiles, "data")


def test_text_and_label_by_what_they_hold() -> None:
    found = choice(one=LONG, two=CLASSES, id=list(range(30)))
    assert (found.text, found.label, found.regression) == (("one",), "two", False)


def test_text_under_odd_order() -> None:
    found = choice(colour=CLASSES, uid=[f"x{i}" for i in range(30)], body=LONG)
    assert (found.text, found.label) == (("body",), "colour")


@pytest.mark.parametrize(
    "names", [("sentence1", "sentence2"), ("premise", "hypothesis"), ("text_a", "text_b")]
)
def test_pairs(names: tuple[str, str]) -> None:
    found = choice(**dict.fromkeys(names, LONG), label=CLASSES)
    assert found.text == names
    assert "pairs" in found.text_reason


def test_of_two_texts_the_long_one_and_why() -> None:
    found = choice(title=SHORT, article=[one * 5 for one in LONG], label=CLASSES)
    assert found.text == ("article",)
    assert "'title' hold text as well: text: [article, title] reads two" in found.text_reason


def test_of_two_labels_the_known_name_and_why() -> None:
    found = choice(source=["web", "book"] * 15, text=LONG, label=CLASSES)
    assert found.label == "label"
    assert "'source' could be labels as well" in found.label_reason


@pytest.mark.parametrize(
    ("name", "values", "regression"),
    [
        ("label", [0, 1] * 15, False),
        ("label", ["0", "1"] * 15, False),
        ("label", [i % 7 / 2 for i in range(30)], True),
        ("label", [f"{i % 7 / 2}" for i in range(30)], True),
        ("stars", [1, 2, 3, 4, 5] * 6, False),
        ("score", [1, 2, 3, 4, 5] * 6, True),
        ("price", list(range(100, 130)), True),
        ("label", [1.0, 0.0, None] * 10, False),
    ],
)
def test_numbers(name: str, values: list[Any], regression: bool) -> None:
    found = choice(text=LONG, **{name: values})
    assert (found.label, found.regression) == (name, regression)


def test_what_is_uneven_is_told() -> None:
    assert "macro_f1" in choice(text=LONG, label=["a"] * 28 + ["b"] * 2).label_reason


def test_long_class_names_are_classes_where_they_repeat() -> None:
    names = ["the customer asks for a refund", "the customer only says hello"] * 15
    assert choice(text=LONG, intent=names).label == "intent"


def test_nothing_to_be_seen() -> None:
    with pytest.raises(DataError, match="looks like a label"):
        choice(text=LONG, other=SHORT)
    with pytest.raises(DataError, match="looks like a label"):
        choice(text=LONG, label=["same"] * 30)
    with pytest.raises(DataError, match="no column holds text"):
        choice(size=list(range(30)), weight=[i / 7 for i in range(30)])


def test_words() -> None:
    assert words_in("three words here") == 3
    assert words_in("日本語の文章です") == 4
    assert words_in("") == 0


@pytest.mark.parametrize("period", [2, 3, 5, 10])
def test_rows_in_turns_of_classes_are_kept_alike(period: int) -> None:
    classes = [row % period for row in range(1000)]
    split = split_rows(1000, classes)
    kept = [one for row, one in enumerate(classes) if split.is_kept(row)]
    assert {*kept} == {*classes}
    assert max(kept.count(one) for one in classes) <= 1.1 * len(kept) / period


def test_articles_are_kept_whole() -> None:
    split = split_questions(1000, 48)
    assert (split.train, split.validation) == ({"articles": ":-4"}, {"articles": "-4:"})
    few = split_questions(1000, 9)
    assert (few.train, few.validation) == ({"rows": "not ::10"}, {"rows": "::10"})
    assert "in both" in few.reason
