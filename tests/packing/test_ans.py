import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fineprune.packing._ans import AnsDecoder as NativeDecoder
from fineprune.packing.ans import Decoder, encode
from fineprune.packing.constriction_ans import AnsDecoder as ConstrictionDecoder
from fineprune.packing.errors import StreamError
from fineprune.packing.tables import TOTAL, Table, fit
from tests.packing.reference_reader import Bytes, Stream
from tests.packing.reference_reader import Table as ReferenceTable

segments = st.lists(st.binary(max_size=200), min_size=1, max_size=4)


def stream_of(parts: list[bytes]) -> tuple[list[Table], bytes]:
    symbols = [np.frombuffer(part, np.uint8) for part in parts]
    tables = [fit(np.bincount(part, minlength=256)) for part in symbols]
    return tables, encode(tables, symbols).astype("<u4").tobytes()


@given(segments)
def test_segments_come_out_as_they_went_in(parts: list[bytes]) -> None:
    tables, words = stream_of(parts)
    decoder = Decoder(memoryview(words))
    for table, part in zip(tables, parts, strict=True):
        assert decoder.decode(table, len(part)).tobytes() == part
    decoder.finish()


@given(segments)
def test_the_stream_is_the_documented_one(parts: list[bytes]) -> None:
    tables, words = stream_of(parts)
    stream = Stream(Bytes((len(words) // 4).to_bytes(4, "little") + words))
    for table, part in zip(tables, parts, strict=True):
        reference = ReferenceTable(table.first, [int(each) for each in table.frequencies])
        assert bytes(stream.symbols(reference, len(part))) == part
    stream.finish()


@given(st.binary(max_size=64), st.integers(0, 2000))
def test_any_words_decode_to_symbols_of_the_table(garbage: bytes, count: int) -> None:
    words = garbage[: len(garbage) // 4 * 4] + bytes([1, 0, 0, 1])
    table = Table(7, np.array([1, TOTAL - 3, 2]))
    symbols = Decoder(memoryview(words)).decode(table, count)
    assert symbols.size == count
    assert ((symbols >= 7) & (symbols <= 9)).all()


def test_words_left_over_are_refused() -> None:
    tables, words = stream_of([b"abcabcabd" * 20])
    decoder = Decoder(memoryview(words))
    decoder.decode(tables[0], 100)
    with pytest.raises(StreamError, match="end"):
        decoder.finish()


def test_words_that_are_missing_are_noticed() -> None:
    tables, words = stream_of([b"abcabcabd" * 20])
    decoder = Decoder(memoryview(words[4:]))
    decoder.decode(tables[0], 180)
    with pytest.raises(StreamError, match="end"):
        decoder.finish()


def test_a_last_word_of_zero_is_refused() -> None:
    with pytest.raises(StreamError, match="zero"):
        Decoder(memoryview(bytes(4)))


# The two decoders.


@given(st.lists(st.integers(0, 2**32 - 1), max_size=40), st.integers(0, 400), st.data())
def test_both_decoders_agree_on_any_words(
    words: list[int], count: int, data: st.DataObject
) -> None:
    cuts = data.draw(st.sets(st.integers(1, TOTAL - 1), min_size=1, max_size=255))
    frequencies = np.diff([0, *sorted(cuts), TOTAL]).astype(np.uint16)
    stream = np.array([*words, 1], np.uint32)
    native, constriction = NativeDecoder(stream), ConstrictionDecoder(stream)
    for _ in range(2):
        symbols = native.decode(frequencies, count)
        np.testing.assert_array_equal(symbols, constriction.decode(frequencies, count))
        assert symbols.dtype == np.uint8
        assert native.is_empty() == constriction.is_empty()


@pytest.mark.parametrize(
    "frequencies",
    [[], [TOTAL - 1], [TOTAL, 1], [0, TOTAL], [TOTAL // 2, TOTAL], [TOTAL // 256] * 256 + [1]],
)
def test_native_decoder_refuses_what_is_no_table(frequencies: list[int]) -> None:
    decoder = NativeDecoder(np.array([1], np.uint32))
    with pytest.raises(ValueError, match="frequencies"):
        decoder.decode(np.array(frequencies, np.uint16), 5)


def test_native_decoder_refuses_other_arrays() -> None:
    with pytest.raises(TypeError):
        NativeDecoder(np.zeros(3, np.int64))
    with pytest.raises(TypeError):
        NativeDecoder(np.ones((2, 2), np.uint32))
    with pytest.raises(ValueError, match="zero"):
        NativeDecoder(np.array([1, 0], np.uint32))
