import json
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fineprune.errors import RecipeError
from fineprune.pruning import (
    L0,
    Fisher,
    Locked,
    Magnitude,
    Method,
    Movement,
    SoftMovement,
    Threshold,
)
from fineprune.pruning.methods import (
    ALIASES,
    METHODS,
    method_at_threshold,
    method_from_settings,
    settings_of,
)

CLASSES = (Fisher, Magnitude, Movement, SoftMovement, Threshold, L0, Locked)


def refusal(of: Callable[[], Method[Any]]) -> str:
    with pytest.raises(RecipeError) as caught:
        of()
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_every_method_stands_under_its_name() -> None:
    assert list(METHODS.values()) == list(CLASSES)
    names = ["fisher", "magnitude", "movement", "soft_movement", "threshold", "l0", "locked"]
    assert list(METHODS) == names


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"name": "magnitude"}, Magnitude()),
        ({"name": "magnitude", "keep": 0.03, "scope": "global"}, Magnitude(0.03, "global")),
        ({"name": "movement", "keep": 1}, Movement(keep=1.0)),
        ({"name": "soft_movement", "final_lambda": 400}, SoftMovement(final_lambda=400.0)),
        ({"name": "soft_movement", "keep": 0.05}, SoftMovement(keep=0.05)),
        (
            {"name": "soft_movement", "keep": "5e-2", "final_lambda": None, "scope": "kind"},
            SoftMovement(keep=0.05, scope="kind"),
        ),
        ({"name": "fisher"}, Fisher()),
        (
            {"name": "fisher", "keep": 0.05, "scope": "local", "initial_keep": 1},
            Fisher(keep=0.05, scope="local", initial_keep=1.0),
        ),
        ({"name": "l0", "keep": 0.05}, L0(keep=0.05)),
        (
            {"name": "magnitude", "scope": "kind", "share_floor": 0.2},
            Magnitude(scope="kind", share_floor=0.2),
        ),
        ({"name": "threshold", "cut": -1, "floor": 0}, Threshold(cut=-1.0, floor=0.0)),
        ({"name": "l0", "final_lambda": 3, "initial_score": 1}, L0(3.0, initial_score=1.0)),
    ],
)
def test_settings_make_a_method(settings: dict[str, Any], expected: Method[Any]) -> None:
    given_settings = dict(settings)
    assert method_from_settings(settings) == expected
    assert settings == given_settings


@pytest.mark.parametrize(
    ("alias", "expected"),
    [
        ("topK", Movement(keep=0.2)),
        ("global_topK", Movement(keep=0.2, scope="global")),
        ("global_movement", Movement(keep=0.2, scope="global")),
        ("global_magnitude", Magnitude(keep=0.2, scope="global")),
        ("sigmoied_threshold", SoftMovement(final_lambda=0.0, cut=0.2)),
        ("sigmoid_threshold", SoftMovement(final_lambda=0.0, cut=0.2)),
        ("magnitude", Magnitude(keep=0.2)),
        ("threshold", Threshold(cut=0.2)),
        ("l0", L0(final_lambda=0.0)),
    ],
)
def test_names_of_the_original_code(alias: str, expected: Method[Any]) -> None:
    assert method_at_threshold(alias, 0.2) == expected
    settings = {**settings_of(expected), "name": alias}
    assert method_from_settings(settings) == expected


def test_every_alias_leads_to_a_method_and_hides_none() -> None:
    assert {name for name, _ in ALIASES.values()} <= set(METHODS)
    assert set(ALIASES).isdisjoint(METHODS)


def test_what_is_said_wins_over_what_an_alias_implies() -> None:
    settings = {"name": "global_topK", "scope": "local"}
    assert method_from_settings(settings) == Movement(scope="local")


NUMBERS = st.floats(0, 1000)
FRACTIONS = st.floats(0.001, 0.999)
SCOPES = st.sampled_from(["local", "kind", "global"])
RANKED = {"keep": FRACTIONS, "scope": SCOPES, "share_floor": FRACTIONS, "initial_keep": FRACTIONS}
ANY_METHOD: st.SearchStrategy[Method[Any]] = st.one_of(
    st.builds(Fisher, **RANKED),
    st.builds(Magnitude, **RANKED),
    st.builds(Movement, **RANKED, initial_score=NUMBERS),
    st.builds(SoftMovement, keep=FRACTIONS, scope=SCOPES, share_floor=FRACTIONS),
    st.builds(L0, keep=FRACTIONS, initial_score=NUMBERS),
    st.builds(SoftMovement, final_lambda=NUMBERS, cut=FRACTIONS, floor=FRACTIONS),
    st.builds(Threshold, cut=NUMBERS, initial_cut=NUMBERS, floor=FRACTIONS),
    st.builds(L0, final_lambda=NUMBERS, initial_score=NUMBERS),
)


@given(ANY_METHOD)
def test_settings_make_the_round_trip_through_json(method: Method[Any]) -> None:
    assert method_from_settings(json.loads(json.dumps(settings_of(method)))) == method


def test_settings_that_are_not_given_are_none() -> None:
    assert settings_of(L0(keep=0.05)) == {
        "name": "l0",
        "final_lambda": None,
        "initial_score": 2.197,
        "keep": 0.05,
    }
    assert settings_of(SoftMovement(final_lambda=3.0))["keep"] is None


@pytest.mark.parametrize("text", ["1e-2", "0.01", " .01 ", "1E-2"])
def test_numbers_given_as_text_are_numbers(text: str) -> None:
    assert method_from_settings({"name": "movement", "keep": text}) == Movement(keep=0.01)


@pytest.mark.parametrize("value", [True, False, None, "", "ten", [0.1], {}, "1e-2x", 1j, b"1"])
def test_what_is_no_number_is_refused(value: object) -> None:
    message = refusal(lambda: method_from_settings({"name": "movement", "keep": value}))
    assert message == f"keep: expected a finite number, found {value!r}"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "nan", "inf", 10**400])
def test_numbers_that_are_not_finite_are_refused(value: object) -> None:
    message = refusal(lambda: method_from_settings({"name": "l0", "final_lambda": value}))
    assert message.startswith("final_lambda: expected a finite number, found")


@pytest.mark.parametrize("name", ["mouvement", "TOPK", "Magnitude", "", "magnitude ", None, 3, []])
def test_an_unknown_name_is_refused(name: object) -> None:
    for message in (
        refusal(lambda: method_from_settings({"name": name})),
        refusal(lambda: method_at_threshold(name, 0.1)),  # type: ignore[arg-type]
    ):
        assert message.startswith(f"name: no method is called {name!r}; choose one of fisher, ")
        assert all(known in message for known in (*METHODS, *ALIASES))


def test_a_name_is_needed() -> None:
    assert refusal(lambda: method_from_settings({})).startswith("name: no method is called None")


NEITHER = (
    "{} takes exactly one of keep (the fraction of weights to keep) and final_lambda "
    "(the weight of the paper's penalty); found neither"
)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"name": "magnitude", "kept": 0.1},
            "kept: magnitude has no such setting; it takes keep, scope, share_floor, initial_keep",
        ),
        (
            {"name": "topK", "final_lambda": 1},
            "final_lambda: movement has no such setting; "
            "it takes keep, scope, share_floor, initial_keep, initial_score",
        ),
        ({"name": "l0"}, NEITHER.format("l0")),
        ({"name": "sigmoied_threshold"}, NEITHER.format("soft_movement")),
        ({"name": "l0", "keep": None, "final_lambda": None}, NEITHER.format("l0")),
        (
            {"name": "l0", "keep": 0.1, "final_lambda": 1},
            NEITHER.format("l0").replace("neither", "both"),
        ),
        (
            {"name": "soft_movement", "keep": 0.1, "cut": 0.2},
            "cut belongs to final_lambda, which is not given",
        ),
        (
            {"name": "soft_movement", "final_lambda": 1, "scope": "local"},
            "scope belongs to keep, which is not given",
        ),
        ({"name": "fisher", "keep": 2}, "keep must be above 0 and at most 1, found 2.0"),
        (
            {"name": "fisher", "initial_score": 2},
            "initial_score: fisher has no such setting; "
            "it takes keep, scope, share_floor, initial_keep",
        ),
        ({"name": "movement", "keep": 0}, "keep must be above 0 and at most 1, found 0.0"),
        ({"name": "movement", "keep": "1.5"}, "keep must be above 0 and at most 1, found 1.5"),
        (
            {"name": "movement", "scope": "everywhere"},
            "scope must be one of 'local', 'kind', 'global'; found 'everywhere'",
        ),
        (
            {"name": "movement", "scope": True},
            "scope must be one of 'local', 'kind', 'global'; found True",
        ),
        (
            {"name": "soft_movement", "final_lambda": 1, "cut": 1},
            "cut must lie between 0 and 1, found 1.0",
        ),
        (
            {"name": "threshold", "floor": 1},
            "floor must be at least 0 and below 1, found 1.0",
        ),
        ({"name": "l0", "final_lambda": -1}, "final_lambda must not be negative, found -1.0"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    assert refusal(lambda: method_from_settings(settings)) == message


def test_a_threshold_is_needed_but_for_gates() -> None:
    for name in ("magnitude", "topK", "sigmoied_threshold", "threshold", "global_topK"):
        assert refusal(partial(method_at_threshold, name, None)).endswith(
            "needs the threshold it was trained to; give --threshold"
        )
    assert method_at_threshold("l0", None) == L0(final_lambda=0.0)


@pytest.mark.parametrize(
    ("name", "threshold"),
    [("topK", 0.0), ("magnitude", 1.5), ("sigmoied_threshold", 1.0), ("threshold", math.nan)],
)
def test_an_impossible_threshold_is_refused(name: str, threshold: float) -> None:
    assert f"found {threshold}" in refusal(lambda: method_at_threshold(name, threshold))


def test_the_original_code_had_no_fisher() -> None:
    message = refusal(lambda: method_at_threshold("fisher", 0.1))
    assert message == "the original code had no method fisher"


@pytest.mark.parametrize("method", [one for one in CLASSES if one not in (Fisher, Locked)])
def test_a_method_never_changes(method: type[Method[Any]]) -> None:
    chosen = method.at_threshold(0.5)
    with pytest.raises(AttributeError):
        chosen.keep = 0.3  # type: ignore[attr-defined]
    assert len({chosen, method.at_threshold(0.5)}) == 1
