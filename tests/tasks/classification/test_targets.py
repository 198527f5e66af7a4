"""Classes and numbers: labels in, metrics and predictions out."""

import json

import numpy as np
import pytest

from fineprune.tasks.classification.labels import UnusableValueError
from fineprune.tasks.classification.targets import Classes, Quantity

COLOURS = Classes(("red", "green", "blue"))
LOGITS = (np.array([[0, 0, np.log(2)], [1000, 0, 0], [1, 1, 0]], dtype=np.float32),)


def test_the_head_of_classes() -> None:
    head = COLOURS.head()
    assert head.auto_model == "AutoModelForSequenceClassification"
    assert head.config == {
        "num_labels": 3,
        "id2label": {0: "red", 1: "green", 2: "blue"},
        "label2id": {"red": 0, "green": 1, "blue": 2},
        "problem_type": "single_label_classification",
    }


def test_the_head_of_a_number() -> None:
    head = Quantity().head()
    assert head.auto_model == "AutoModelForSequenceClassification"
    assert head.config == {"num_labels": 1, "problem_type": "regression"}


def test_classes_are_encoded_by_name() -> None:
    assert [COLOURS.encode(name) for name in ("blue", "red")] == [2, 0]
    for unknown in ("2", 2, "Red"):
        with pytest.raises(UnusableValueError, match="known are 'red', 'green', 'blue'"):
            COLOURS.encode(unknown)


def test_by_index_a_name_goes_before_a_place() -> None:
    target = Classes(("1", "0"), by_index=True)
    assert [target.encode(name) for name in ("1", "0", 1)] == [0, 1, 0]
    assert Classes(("red", "green"), by_index=True).encode("1") == 1


def test_many_labels_do_not_make_an_endless_message() -> None:
    with pytest.raises(UnusableValueError, match="1000 in all") as caught:
        Classes(tuple(map(str, range(1000)))).encode("x" * 5000)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(("value", "number"), [(2, 2.0), (0.5, 0.5), ("-1e2", -100.0)])
def test_numbers(value: object, number: float) -> None:
    assert Quantity().encode(value) == number


@pytest.mark.parametrize(
    "value", [None, "", "nan", "inf", float("nan"), float("inf"), "two", True, [1], 10**400]
)
def test_what_is_no_number(value: object) -> None:
    with pytest.raises(UnusableValueError):
        Quantity().encode(value)


@pytest.mark.parametrize(
    ("value", "hidden"), [(None, True), ("", True), (-1, True), ("-1", True), ("red", False)]
)
def test_hidden_classes(value: object, hidden: bool) -> None:
    assert COLOURS.hides(value) == hidden


def test_a_class_named_like_a_hidden_one_is_not_hidden() -> None:
    assert not Classes(("-1", "1")).hides(-1)


@pytest.mark.parametrize(
    ("value", "hidden"), [(-1.0, True), ("-1.0", True), (0.0, False), (True, False), ("a", False)]
)
def test_hidden_numbers(value: object, hidden: bool) -> None:
    assert Quantity().hides(value) == hidden


def test_predictions_of_classes() -> None:
    predictions = COLOURS.describe(LOGITS)
    assert [p["label"] for p in predictions] == ["blue", "red", "red"]
    e = np.exp(1)
    assert [p["score"] for p in predictions] == pytest.approx([1 / 2, 1, e / (2 * e + 1)])
    assert json.loads(json.dumps(predictions)) == predictions


def test_predictions_of_numbers() -> None:
    predictions = Quantity().describe((np.array([[0.5], [-2]], dtype=np.float32),))
    assert predictions == [{"value": 0.5}, {"value": -2.0}]
    assert json.loads(json.dumps(predictions)) == predictions


def test_scores_of_classes() -> None:
    assert COLOURS.score(LOGITS, np.array([2, 0, 1])) == {
        "accuracy": pytest.approx(2 / 3),
        "macro_f1": pytest.approx((2 / 3 + 0 + 1) / 3),
    }


def test_scores_of_numbers() -> None:
    outputs = np.array([[1], [2], [3]], dtype=np.float32)
    assert Quantity().score((outputs,), np.array([2, 4, 6], dtype=np.float32)) == {
        "pearson": pytest.approx(1),
        "spearman": pytest.approx(1),
        "mse": pytest.approx((1 + 4 + 9) / 3),
    }


def test_absent_classes() -> None:
    assert COLOURS.absent(np.array([0, 2, 0])) == ("green",)
    assert Quantity().absent(np.array([0.5])) == ()
