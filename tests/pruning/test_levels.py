import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fineprune.pruning import KeepFraction, ScoreCut


@pytest.mark.parametrize(
    ("fraction", "size", "count"),
    [(0.0, 100, 0), (1.0, 100, 100), (0.15, 1024, 153), (0.15, 2048, 307), (0.999, 10, 9)],
)
def test_a_kept_fraction_is_rounded_down(fraction: float, size: int, count: int) -> None:
    assert KeepFraction(fraction).count(size) == count
    assert KeepFraction(fraction).value == fraction


@pytest.mark.parametrize("fraction", [-0.001, 1.001, math.inf, -math.inf, math.nan])
def test_a_kept_fraction_lies_within_0_to_1(fraction: float) -> None:
    with pytest.raises(ValueError, match=f"found {fraction}"):
        KeepFraction(fraction)


@given(st.data(), st.integers(1, 10**10))
def test_a_count_and_its_fraction_are_inverse(data: st.DataObject, size: int) -> None:
    count = data.draw(st.integers(0, size))
    fraction = KeepFraction.of(count, size)
    assert fraction.count(size) == count
    assert fraction.value == pytest.approx(count / size, abs=0.5 / size + 1e-12)


def test_a_score_cut_is_any_number() -> None:
    assert [ScoreCut(cut).value for cut in (-3.5, 0.0, 0.1, math.inf)] == [-3.5, 0.0, 0.1, math.inf]
    with pytest.raises(ValueError, match="found nan"):
        ScoreCut(math.nan)


def test_levels_of_two_types_are_never_equal() -> None:
    assert len({KeepFraction(0.1), KeepFraction(0.1), ScoreCut(0.1)}) == 2
