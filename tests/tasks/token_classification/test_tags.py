"""Tags of every scheme, and entities against entities."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fineprune.tasks.token_classification.metrics import entity_metrics
from fineprune.tasks.token_classification.tags import (
    Span,
    require_tags,
    spans_of_tags,
    tags_of_kinds,
)

KINDS = ("LOC", "PER-SON")


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("O O", []),
        ("B-X I-X O B-Y", [(0, 2, "X"), (3, 4, "Y")]),
        ("B-X B-X I-X", [(0, 1, "X"), (1, 3, "X")]),
        ("I-X I-X B-X I-Y", [(0, 2, "X"), (2, 3, "X"), (3, 4, "Y")]),  # IOB1
        ("B-X E-X S-X B-X I-X E-X", [(0, 2, "X"), (2, 3, "X"), (3, 6, "X")]),  # BIOES
        ("B-X L-X U-X U-Y L-Y", [(0, 2, "X"), (2, 3, "X"), (3, 4, "Y"), (4, 5, "Y")]),  # BILOU
        ("B-X M-X E-X I-X", [(0, 3, "X"), (3, 4, "X")]),
        ("O I-A-B I-A-B", [(1, 3, "A-B")]),
    ],
)
def test_schemes(tags: str, spans: list[tuple[int, int, str]]) -> None:
    assert spans_of_tags(tags.split()) == spans


@pytest.mark.parametrize("tag", ["", "NOUN", "X-PER", "B", "B-", "-PER", "o", "b-PER"])
def test_what_is_no_tag(tag: str) -> None:
    with pytest.raises(ValueError, match="is none of an entity: expected O, or B- or I-"):
        spans_of_tags(["O", tag])


@given(st.lists(st.sampled_from(["", *KINDS]), max_size=12), st.data())
def test_iob2_says_all_of_entities(kinds: list[str], data: st.DataObject) -> None:
    """Spans to tags to the same spans."""
    spans, place = [], 0
    for kind in kinds:
        length = data.draw(st.integers(1, 3))
        if kind:
            spans.append(Span(place, place + length, kind))
        place += length
    tags = ["O"] * place
    for one in spans:
        tags[one.start : one.end] = [
            f"B-{one.kind}",
            *[f"I-{one.kind}"] * (one.end - one.start - 1),
        ]
    assert spans_of_tags(tags) == spans


def test_names_of_outputs() -> None:
    assert tags_of_kinds(KINDS) == ("O", "B-LOC", "I-LOC", "B-PER-SON", "I-PER-SON")
    require_tags(["I-X", "O", "B-X"])
    for wrong in (["O"], ["B-X", "I-X"], ["O", "B-X"], ["O", "B-X", "I-X", "I-X"], ["O", "X"]):
        with pytest.raises(ValueError, match="expected O"):
            require_tags(wrong)


def spans(*texts: str) -> list[list[Span]]:
    return [spans_of_tags(text.split()) for text in texts]


def test_the_example_of_seqeval() -> None:
    """That of its README: precision, recall and F1 are 0.5; 0 of MISC, and 1 of PER."""
    expected = spans("O O O B-MISC I-MISC I-MISC O", "B-PER I-PER O")
    found = spans("O O B-MISC I-MISC I-MISC I-MISC O", "B-PER I-PER O")
    assert entity_metrics(found, expected, ["MISC", "PER"]) == {
        "f1": 0.5,
        "precision": 0.5,
        "recall": 0.5,
        "f1_MISC": 0.0,
        "f1_PER": 1.0,
    }


def test_borders_and_kinds_have_to_be_right() -> None:
    expected = spans("B-X I-X O B-Y O B-X")
    # The first is too short, the second of another kind, the third right, the fourth not there.
    found = spans("B-X O O B-X B-Y B-X")
    scores = entity_metrics(found, expected, ["X", "Y"])
    assert scores["precision"] == pytest.approx(1 / 4)
    assert scores["recall"] == pytest.approx(1 / 3)
    assert scores["f1"] == pytest.approx(2 / 7)
    assert scores["f1_X"] == pytest.approx(2 * 1 / (3 + 2))


def test_nothing_found_and_nothing_there() -> None:
    assert entity_metrics([[]], spans("B-X"), ["X"])["f1"] == 0
    assert entity_metrics(spans("B-X"), [[]], ["X"])["recall"] == 0
    assert set(entity_metrics([[]], [[]], ["X"]).values()) == {0.0}
