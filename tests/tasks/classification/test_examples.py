"""From tables to checked examples."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from fineprune.errors import DataError
from fineprune.tasks.classification.examples import (
    Columns,
    Examples,
    labelled,
    perhaps_labelled,
)
from fineprune.tasks.classification.labels import class_names
from fineprune.tasks.classification.targets import Classes, Quantity
from fineprune.tasks.data import BrokenRow, Table, as_column, refuse

COLUMNS = Columns(("text",), ("label",))
YES_NO = Classes(("no", "yes"))


def table(columns: Mapping[str, Sequence[Any]], **details: Any) -> Table:
    count = len(next(iter(columns.values())))
    known: dict[str, Any] = {"source": "a.tsv", "unit": "line", "numbers": range(2, count + 2)}
    arrays = {name: as_column(values) for name, values in columns.items()}
    return Table(found=tuple(columns), columns=arrays, **known | details)


def texts(examples: Examples) -> list[list[str]]:
    return [column.to_pylist() for column in examples.texts]


def test_texts_and_labels_of_several_tables() -> None:
    first = table({"text": ["a", "b"], "label": ["yes", "no"]})
    second = table({"label": ["yes"], "text": ["c"]}, source="b.tsv")
    examples = labelled([first, second], COLUMNS, YES_NO, refuse)
    assert examples.source == "a.tsv, b.tsv"
    assert texts(examples) == [["a", "b", "c"]]
    assert examples.labels is not None
    assert examples.labels.tolist() == [1, 0, 1]
    assert examples.labels.dtype == "int64"
    assert len(examples) == 3


def test_pairs_of_texts_and_numbers() -> None:
    columns = Columns(("one", "two"), ("score",))
    raw = table({"one": ["a", "b"], "two": ["c", "d"], "score": ["1.5", 2]})
    examples = labelled([raw], columns, Quantity(), refuse)
    assert texts(examples) == [["a", "b"], ["c", "d"]]
    assert examples.labels is not None
    assert examples.labels.tolist() == [1.5, 2.0]
    assert examples.labels.dtype == "float32"


@pytest.mark.parametrize(
    ("text", "label", "reason"),
    [
        (None, "yes", "the text in column 'text' is missing"),
        (3, "yes", "the text in column 'text' is 3, of type int"),
        (["a"], "yes", "the text in column 'text' is ['a'], of type list"),
        ("\ud800", "yes", "the text in column 'text' is not Unicode"),
        ("b", None, "the label is missing"),
        ("b", "", "the label is missing"),
        ("b", "maybe", "the label 'maybe' is unknown: known are 'no', 'yes'"),
        ("b", 1.0, "the label 1.0 is of type float"),
    ],
)
def test_broken_rows(text: object, label: object, reason: str) -> None:
    raw = table({"text": ["a", text, "c"], "label": ["no", label, "yes"]})
    with pytest.raises(DataError) as caught:
        labelled([raw], COLUMNS, YES_NO, refuse)
    message = str(caught.value)
    assert message.startswith(f"a.tsv, line 3: {reason}")
    assert "task.broken_rows=drop" in message
    assert "\n" not in message
    broken: list[BrokenRow] = []
    examples = labelled([raw], COLUMNS, YES_NO, broken.append)
    assert texts(examples) == [["a", "c"]]
    assert [row.place for row in broken] == ["line 3"]


def test_a_target_that_is_not_finite() -> None:
    raw = table({"text": ["a", "b"], "label": [1.0, float("nan")]}, unit="row", numbers=[1, 2])
    with pytest.raises(DataError, match=r"a\.tsv, row 2: the label nan is not a finite number"):
        labelled([raw], COLUMNS, Quantity(), refuse)


def test_nothing_is_left() -> None:
    raw = table({"text": [None], "label": ["yes"]})
    with pytest.raises(
        DataError,
        match="no row can be used; the first, line 2: the text in column 'text' is missing",
    ):
        labelled([raw], COLUMNS, YES_NO, lambda _: None)


@pytest.mark.parametrize("columns", [{"text": ["a"]}, {"label": ["yes"]}])
def test_a_missing_column(columns: dict[str, list[str]]) -> None:
    with pytest.raises(DataError, match="has no column"):
        labelled([table(columns)], COLUMNS, YES_NO, refuse)


@pytest.mark.parametrize(
    "columns",
    [
        {"text": ["a", "b"]},
        {"text": ["a", "b"], "label": [-1, -1]},
        {"text": ["a", "b"], "label": [None, ""]},
    ],
)
def test_a_test_set_need_not_tell_its_labels(columns: dict[str, list[object]]) -> None:
    examples = perhaps_labelled([table(columns)], COLUMNS, YES_NO, refuse)
    assert texts(examples) == [["a", "b"]]
    assert examples.labels is None
    assert examples.notes == ("a.tsv: unlabelled: can be predicted, not scored",)


def test_a_test_set_that_tells_some_labels_has_to_tell_all() -> None:
    with pytest.raises(DataError, match="line 3: the label '-1' is unknown"):
        perhaps_labelled(
            [table({"text": ["a", "b"], "label": ["yes", -1]})], COLUMNS, YES_NO, refuse
        )


def test_a_test_set_that_tells_its_labels() -> None:
    raw = table({"text": ["a", "b"], "label": ["yes", "no"]})
    examples = perhaps_labelled([raw], COLUMNS, YES_NO, refuse)
    assert examples.labels is not None
    assert examples.labels.tolist() == [1, 0]


def test_blank_texts_are_noted() -> None:
    raw = table({"text": ["", " \t", "a"], "label": ["yes", "no", "no"]})
    examples = labelled([raw], COLUMNS, YES_NO, refuse)
    assert examples.notes == ("a.tsv: 2 examples are blank",)


def test_class_names_are_learned() -> None:
    tables = [table({"label": [10, "9", True]}), table({"label": ["9", None, 1.5, [2]]})]
    assert class_names(tables, "label") == ("10", "9", "true")
    assert class_names([table({"label": [10, "9"]})], "label") == ("9", "10")


def test_declared_class_names_keep_their_order() -> None:
    declared = {"class_names": {"label": ("yes", "no")}}
    raw = table({"label": ["no"]}, **declared)
    assert class_names([raw, raw], "label") == ("yes", "no")
    assert class_names([raw, table({"label": ["maybe"]})], "label") == ("maybe", "no")
