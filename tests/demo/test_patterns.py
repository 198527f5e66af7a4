from contextlib import suppress
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fineprune.demo.patterns import Grammar
from fineprune.errors import DataError

RULES = {"the": "(the|my)", "turn": "(turn|switch) [it]", "light": "<the> light[s]"}
WORDS = {"area": ("kitchen", "hall"), "percent": ("5",)}


def words(name: str, random: Random) -> str:
    return random.choice(WORDS[name])


GRAMMAR = Grammar(RULES, words)


def sentences(pattern: str) -> set[str]:
    random = Random(0)
    return {GRAMMAR.sentence(pattern, random) for _ in range(400)}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("turn on", {"turn on"}),
        ("turn  on ", {"turn on"}),
        ("[please] stop", {"stop", "please stop"}),
        ("light[s]", {"light", "lights"}),
        ("(on|off)", {"on", "off"}),
        ("[on|off] now", {"now", "on now", "off now"}),
        ("(stop;now)", {"stop now", "now stop"}),
        ("(a;b;c)", {"a b c", "a c b", "b a c", "b c a", "c a b", "c b a"}),
        ("(a|(b;c))", {"a", "b c", "c b"}),
        ("<the> fan", {"the fan", "my fan"}),
        ("<light>", {"the light", "my light", "the lights", "my lights"}),
        ("in {area}", {"in kitchen", "in hall"}),
        ("to {percent:brightness}[%]", {"to 5", "to 5%"}),
        ("[[of ]the] day", {"day", "the day", "of the day"}),
    ],
)
def test_all_sentences_of_a_pattern(pattern: str, expected: set[str]) -> None:
    assert sentences(pattern) == expected


@pytest.mark.parametrize(
    "pattern", ["(a", "a)", "[a", "a]", "(a]", "[a)", "{area", "<the", "a}", "(a;[b)", "the>"]
)
def test_a_bracket_without_its_other(pattern: str) -> None:
    with pytest.raises(DataError, match="a pattern of home-assistant-intents is none"):
        GRAMMAR.sentence(pattern, Random(0))


def test_an_unknown_rule() -> None:
    with pytest.raises(DataError, match="no rule 'gone'"):
        GRAMMAR.sentence("turn <gone> on", Random(0))


def test_rules_that_refer_to_each_other_end() -> None:
    grammar = Grammar({"a": "<b> x", "b": "<a> y"}, words)
    with pytest.raises(DataError, match="refers to itself"):
        grammar.sentence("<a>", Random(0))


def test_the_same_stream_gives_the_same_sentence() -> None:
    pattern = "<turn> (on|off) [<the>] {area} [now]"
    first, second = ([GRAMMAR.sentence(pattern, Random(seed)) for seed in range(9)] for _ in "ab")
    assert first == second
    assert len(set(first)) > 1


PATTERNS = st.recursive(
    st.text("ab ", max_size=3),
    lambda inner: st.one_of(
        inner.map(lambda one: f"[{one}]"),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"({'|'.join(parts)})"),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"({';'.join(parts)})"),
        st.lists(inner, max_size=3).map("".join),
    ),
    max_leaves=12,
)


@given(PATTERNS, st.integers(0, 99))
def test_a_sentence_has_letters_of_its_pattern_alone(pattern: str, seed: int) -> None:
    found = GRAMMAR.sentence(pattern, Random(seed))
    assert set(found) <= set("ab ")
    assert found == " ".join(found.split())
    assert all(found.count(letter) <= pattern.count(letter) for letter in "ab")


@given(st.text("ab[]()|;<>{}", max_size=12))
def test_any_text_gives_a_sentence_or_one_clear_line(pattern: str) -> None:
    with suppress(DataError):
        found = Grammar({}, lambda name, random: name).sentence(pattern, Random(0))
        assert not set(found) & set("[]()<>{}")
