import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fineprune.tasks.question_answering.metrics import (
    Judged,
    exact_match,
    normalize,
    squad_v1_metrics,
    squad_v2_metrics,
    token_f1,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The  Normans,", "normans"),
        ("a theory, an Anthem; THE end", "theory anthem end"),
        ("the-a", "thea"),  # punctuation goes first, and joins what it parted
        ("$3.5 million", "35 million"),
        ("\u201cDie Mauer\u201d", "\u201cdie mauer\u201d"),  # only ASCII punctuation goes
        ("the", ""),
        ("l\u00e0 a\u00e9", "l\u00e0 a\u00e9"),  # \b is Unicode's: "aé" is one word
        ("\u00a0x\u2003y\n", "x y"),
    ],
)
def test_normalize(text: str, expected: str) -> None:
    assert normalize(text) == expected


@pytest.mark.parametrize(
    ("prediction", "reference", "f1"),
    [
        ("the cat sat", "cat", 2 / 3),  # precision 1/2, recall 1
        ("b b b c", "b b d", 2 * (2 / 4) * (2 / 3) / (2 / 4 + 2 / 3)),  # bags: b counts twice
        ("x", "y", 0.0),
        ("", "y", 0.0),
        ("the", "the", 0.0),  # version 1.1: nothing shared, though exact
    ],
)
def test_token_f1(prediction: str, reference: str, f1: float) -> None:
    assert token_f1(prediction, reference) == f1


def test_v1_takes_the_best_reference_and_the_mean_of_questions() -> None:
    metrics = squad_v1_metrics(
        [
            Judged("The Broncos", ("Denver Broncos", "Broncos")),
            Judged("in Santa Clara", ("Santa Clara", "Levi's Stadium")),
            Judged("gold", ("blue",)),
        ]
    )
    assert metrics == {"exact_match": 100 * 1 / 3, "f1": 100 * (1 + 0.8 + 0) / 3}


def test_v1_and_v2_differ_where_an_answer_normalizes_to_nothing() -> None:
    article = [Judged("a", ("The",))]
    assert squad_v1_metrics(article) == {"exact_match": 100.0, "f1": 0.0}
    v2 = squad_v2_metrics(article)
    assert (v2["exact_match"], v2["f1"]) == (100.0, 100.0)
    assert (v2["has_answer_exact_match"], v2["has_answer_f1"]) == (100.0, 100.0)


def test_v2_drops_references_that_normalize_to_nothing() -> None:
    metrics = squad_v2_metrics([Judged("", ("the", "x"))])
    assert (metrics["exact_match"], metrics["f1"]) == (0.0, 0.0)


def test_v2_by_hand() -> None:
    """Two with an answer (one half right), three without (two right)."""
    metrics = squad_v2_metrics(
        [
            Judged("Norse raiders", ("Norse", "Denmark")),
            Judged("", ()),
            Judged("France", ("France",)),
            Judged("Normandy", ()),
            Judged("the", ()),
        ]
    )
    two_thirds = 2 * 0.5 * 1 / (0.5 + 1)
    assert metrics == {
        "exact_match": 100 * 3 / 5,
        "f1": 100 * (two_thirds + 3) / 5,
        "has_answer_exact_match": 50.0,
        "has_answer_f1": 100 * (two_thirds + 1) / 2,
        "no_answer_exact_match": 100 * 2 / 3,
        "no_answer_f1": 100 * 2 / 3,
    }


def test_v2_part_without_questions_has_no_metrics() -> None:
    assert set(squad_v2_metrics([Judged("", ())])) == {
        "exact_match",
        "f1",
        "no_answer_exact_match",
        "no_answer_f1",
    }
    assert "no_answer_f1" not in squad_v2_metrics([Judged("", ("x",))])


PHRASES = st.lists(
    st.sampled_from(["the", "a", "An", "cat", "Cat's", "sat.", "--", "mat", "42", "\u4e2d"]),
    max_size=5,
).map(" ".join)
JUDGED = st.lists(
    st.builds(Judged, PHRASES, st.lists(PHRASES, min_size=1, max_size=3).map(tuple)),
    min_size=1,
    max_size=8,
)


WORDY = st.builds("{} {}".format, PHRASES, st.sampled_from(["cat", "dog"]))


@given(
    st.lists(
        st.builds(Judged, WORDY, st.lists(WORDY, min_size=1, max_size=3).map(tuple)), min_size=1
    )
)
def test_v1_is_the_dice_coefficient_of_bags_of_words(judged: list[Judged]) -> None:
    """2 |A & B| / (|A| + |B|), with words taken apart in another way than by the code."""

    def words(text: str) -> list[str]:
        bare = re.sub(r"[^\w\s]", "", text.lower())
        return [word for word in bare.split() if word not in ("a", "an", "the")]

    def dice(one: list[str], other: list[str]) -> float:
        shared = sum(min(one.count(word), other.count(word)) for word in set(one))
        return 2 * shared / (len(one) + len(other))

    questions = [
        [(words(item.prediction), words(reference)) for reference in item.references]
        for item in judged
    ]
    exact = [any(one == other for one, other in pairs) for pairs in questions]
    f1 = [max(dice(one, other) for one, other in pairs) for pairs in questions]
    assert squad_v1_metrics(judged) == pytest.approx(
        {"exact_match": 100 * sum(exact) / len(exact), "f1": 100 * sum(f1) / len(f1)}
    )


@given(JUDGED)
def test_v2_equals_v1_where_every_text_has_words(judged: list[Judged]) -> None:
    wordy = [
        Judged(f"{item.prediction} x", tuple(f"{text} x" for text in item.references))
        for item in judged
    ]
    v2 = squad_v2_metrics(wordy)
    assert {name: v2[name] for name in ("exact_match", "f1")} == squad_v1_metrics(wordy)


@given(PHRASES, PHRASES)
def test_f1_is_symmetric_and_bounded_by_exactness(one: str, other: str) -> None:
    assert token_f1(one, other) == token_f1(other, one)
    if exact_match(one, other) and normalize(one):
        assert token_f1(one, other) == 1.0
