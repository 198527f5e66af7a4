import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from fineprune.packing.errors import RecordError, TruncatedError
from fineprune.packing.tables import TOTAL, Table, entropy_bits, fit, read_tables, tables_bytes

histograms = npst.arrays(np.int64, 256, elements=st.integers(0, 10_000), fill=st.just(0))


@given(histograms)
def test_a_table_covers_its_histogram_and_adds_up(histogram: np.ndarray) -> None:
    table = fit(histogram)
    assert table.frequencies.sum() == TOTAL
    assert table.frequencies.min() >= 1
    if histogram.any():
        assert histogram[table.first : table.last + 1].sum() == histogram.sum()
        assert histogram[table.first]
        assert histogram[table.last]


@settings(max_examples=20)
@given(st.lists(histograms, max_size=4))
def test_tables_are_read_as_they_were_written(several: list[np.ndarray]) -> None:
    tables = [fit(histogram) for histogram in several]
    read = read_tables(memoryview(tables_bytes(tables)))
    assert [table.first for table in read] == [table.first for table in tables]
    for ours, theirs in zip(tables, read, strict=True):
        np.testing.assert_array_equal(ours.frequencies, theirs.frequencies)


def test_coding_with_a_table_costs_little_more_than_the_entropy() -> None:
    rng = np.random.default_rng(0)
    symbols = np.clip(np.rint(rng.standard_normal(100_000) * 20 + 128), 0, 255).astype(int)
    histogram = np.bincount(symbols, minlength=256)
    table = fit(histogram)
    counts = histogram[table.first : table.last + 1]
    coded = -(counts * np.log2(table.frequencies / TOTAL)).sum()
    assert coded < 1.002 * entropy_bits(histogram)


def test_the_bytes_of_a_table() -> None:
    table = Table(3, np.array([100, 300, TOTAL - 400]))
    # 300 = 0b10_0101100: the low seven bits with the top bit set, then the rest.
    assert tables_bytes([table]) == bytes([1, 0, 3, 2, 100, 0b1010_1100, 0b10])


@pytest.mark.parametrize(
    ("record", "error"),
    [
        (bytes([1, 0]), TruncatedError),
        (bytes([1, 0, 3, 2, 100]), TruncatedError),
        (bytes([1, 0, 255, 1, 5]), RecordError),  # symbols 255 and 256
        (bytes([1, 0, 0, 1, 0]), RecordError),  # a frequency of zero
        (bytes([1, 0, 0, 1, 0x80, 0x80, 1]), RecordError),  # three bytes
        (bytes([1, 0, 0, 2, 0xFF, 0x7F, 1]), RecordError),  # nothing left for the last
        (bytes([0, 0, 7]), RecordError),  # a byte too many
    ],
)
def test_a_damaged_table_is_refused(record: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        read_tables(memoryview(record))
