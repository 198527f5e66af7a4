import json
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fineprune.core.schedules import constant, cubic, proportional

VALUES = st.floats(-1e6, 1e6, allow_subnormal=False)
POSITIVE = st.floats(1e-9, 1e9)


@pytest.mark.shared
def test_values_of_the_original_code(shared: Path) -> None:
    path = shared / "fixtures" / "emmental" / "schedules.json"
    for case in json.loads(path.read_text(encoding="utf-8")):
        level = cubic(
            case["initial_threshold"],
            case["final_threshold"],
            begin=case["initial_warmup"] * case["warmup_steps"],
            end=case["total_steps"] - case["final_warmup"] * case["warmup_steps"],
        )
        penalty = proportional(level, reference=case["final_threshold"], peak=case["final_lambda"])
        found = [[level(step), penalty(step)] for step in case["steps"]]
        assert found == case["values"]  # to the last bit


def test_constant() -> None:
    schedule = constant(2.5)
    assert [schedule(step) for step in (0, 1, 10**9)] == [2.5, 2.5, 2.5]


@given(VALUES, VALUES, st.integers(0, 1000), st.integers(1, 1000), st.data())
def test_cubic_follows_the_formula(
    initial: float, final: float, begin: int, length: int, data: st.DataObject
) -> None:
    step = begin + data.draw(st.integers(0, length))
    # In exact arithmetic, from the paper's equation.
    remaining = 1 - Fraction(step - begin, length)
    exact = Fraction(final) + (Fraction(initial) - Fraction(final)) * remaining**3
    scale = max(abs(initial), abs(final))
    value = cubic(initial, final, begin=begin, end=begin + length)(step)
    assert value == pytest.approx(float(exact), rel=1e-9, abs=1e-12 * scale)


@given(VALUES, VALUES, st.integers(0, 1000), st.integers(1, 1000))
def test_cubic_holds_before_and_after(
    initial: float, final: float, begin: int, length: int
) -> None:
    end = begin + length
    schedule = cubic(initial, final, begin=begin, end=end)
    assert [schedule(step) for step in (-1, 0, begin)] == [initial] * 3
    assert [schedule(step) for step in (end, end + 1, 10 * end)] == [final] * 3


@given(st.integers(0, 50), st.integers(1, 200))
def test_cubic_is_monotone_and_slows_down(begin: int, length: int) -> None:
    schedule = cubic(1.0, 0.1, begin=begin, end=begin + length)
    values = [schedule(step) for step in range(begin, begin + length + 1)]
    drops = [before - after for before, after in pairwise(values)]
    assert all(drop > 0 for drop in drops)
    assert all(later <= drop + 1e-12 for drop, later in pairwise(drops))


def test_cubic_of_a_single_step() -> None:
    schedule = cubic(1.0, 0.5, begin=3, end=4)
    assert [schedule(step) for step in (3, 4, 5)] == [1.0, 0.5, 0.5]


@pytest.mark.parametrize(("begin", "end"), [(5, 5), (5, 4), (0, 0), (0, -1)])
def test_cubic_must_end_after_it_begins(begin: int, end: int) -> None:
    with pytest.raises(ValueError, match=f"found {begin} to {end}"):
        cubic(1.0, 0.1, begin=begin, end=end)


@given(POSITIVE, POSITIVE, POSITIVE)
def test_proportional_stands_at_its_peak_where_it_stood_at_the_reference(
    value: float, reference: float, peak: float
) -> None:
    at_reference = proportional(constant(reference), reference=reference, peak=peak)(0)
    assert at_reference == pytest.approx(peak, rel=1e-15)
    rescaled = proportional(constant(value), reference=reference, peak=peak)(0)
    exact = Fraction(peak) * Fraction(value) / Fraction(reference)
    assert rescaled == pytest.approx(float(exact), rel=1e-15)


@pytest.mark.parametrize("reference", [0, 0.0, -0.0])
def test_proportional_needs_a_reference_that_is_not_zero(reference: float) -> None:
    with pytest.raises(ValueError, match="reference of zero"):
        proportional(constant(1.0), reference=reference, peak=3.0)
