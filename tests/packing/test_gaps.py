import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fineprune.packing.gaps import decode_gaps, encode_gaps, longest_gap


@given(st.lists(st.integers(0, 3000)), st.integers(1, 255), st.integers(0, 10**9))
def test_gaps_become_the_positions_they_stand_for(
    gaps: list[int], longest: int, start: int
) -> None:
    symbols = encode_gaps(np.array(gaps, np.int64), longest)
    positions, stop = decode_gaps(symbols, longest, start)
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
