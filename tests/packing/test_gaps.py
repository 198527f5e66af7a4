import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fineprune.packing.errors import PositionError
from fineprune.packing.gaps import decode_gaps, encode_gaps, longest_gap


@given(st.lists(st.integers(0, 3000)), st.integers(1, 255), st.integers(0, 10**6))
def test_gaps_become_the_positions_they_stand_for(
    gaps: list[int], longest: int, start: int
) -> None:
    symbols = encode_gaps(np.array(gaps, np.int64), longest)
    positions, stop = decode_gaps(symbols, longest, start, start + sum(gaps) + len(gaps))
    expected, position = [], start
    for gap in gaps:
        expected.append(position + gap)
        position += gap + 1
    assert list(positions) == expected
    assert stop == position


def test_a_gap_longer_than_the_alphabet_takes_several_symbols() -> None:
    assert list(encode_gaps(np.array([2, 3, 7]), 3)) == [2, 3, 0, 3, 3, 1]


@given(st.floats(1e-6, 1))
def test_about_one_symbol_in_twenty_keeps_nothing(density: float) -> None:
    longest = longest_gap(max(round(density * 10**7), 1), 10**7)
    assert 1 <= longest <= 255
    if longest < 255:  # within the half octave that densities are rounded to, and the next integer
        assert 3 / 2**0.26 <= longest * density <= 3 * 2**0.26 + density


def test_gaps_past_the_last_cell_are_refused() -> None:
    symbols = encode_gaps(np.array([4, 5]), 3)
    assert decode_gaps(symbols, 3, start=10, cells=21)[1] == 21
    with pytest.raises(PositionError, match="cell 21 of 20"):
        decode_gaps(symbols, 3, start=10, cells=20)
    with pytest.raises(PositionError):  # even where 32 bits would not hold the position
        decode_gaps(np.full(10_000_000, 254, np.uint8), 255, start=0, cells=2**31 - 1)
