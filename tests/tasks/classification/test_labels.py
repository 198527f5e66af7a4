"""Names of labels, their order, and whether two sets of labels are the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fineprune.tasks.classification.labels import (
    UnusableValueError,
    label_name,
    ordered,
)


@pytest.mark.parametrize(
    ("value", "name"),
    [("spam", "spam"), (" spam", " spam"), (7, "7"), (-1, "-1"), (True, "true"), (False, "false")],
)
def test_names(value: object, name: str) -> None:
    assert label_name(value) == name


@pytest.mark.parametrize("value", [None, "", 1.0, ["a"], {}, b"a"])
def test_what_is_no_label(value: object) -> None:
    with pytest.raises(UnusableValueError):
        label_name(value)


@given(st.sets(st.integers()), st.randoms())
def test_whole_numbers_are_ordered_by_value(numbers: set[int], random: object) -> None:
    assert ordered(map(str, numbers)) == tuple(map(str, sorted(numbers)))


@given(st.lists(st.text()))
def test_text_is_ordered_by_code_points(names: list[str]) -> None:
    mixed = [*names, "a"]
    assert ordered(mixed) == tuple(sorted(set(mixed)))
