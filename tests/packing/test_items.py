from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from fineprune.packing.items import Unsigned, join_planes, planes_size, split_planes


@st.composite
def items_and_low_bits(draw: st.DrawFn) -> tuple[Unsigned, int]:
    dtype: type[Any] = draw(st.sampled_from([np.uint8, np.uint16, np.uint32]))
    bits = 8 * np.dtype(dtype).itemsize
    low_bits = draw(st.integers(bits - 8, bits - 1))
    return draw(npst.arrays(dtype, st.integers(0, 40))), low_bits


@given(items_and_low_bits())
def test_join_is_the_inverse_of_split(case: tuple[Unsigned, int]) -> None:
    items, low_bits = case
    high, planes = split_planes(items, low_bits)
    assert len(planes) == planes_size(len(items), low_bits)
    np.testing.assert_array_equal(
        join_planes(high, memoryview(planes), low_bits, items.dtype), items
    )


def test_the_first_item_has_the_lowest_bit_of_the_first_byte() -> None:
    high, planes = split_planes(np.array([0b101, 0b110, 0, 0, 0, 0, 0, 0, 0b011], np.uint8), 2)
    assert list(high) == [1, 1, 0, 0, 0, 0, 0, 0, 0]
    assert planes == bytes([0b1, 0b1, 0b10, 0b1])
