import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fineprune.packing import pack, read_packed, unpack
from fineprune.packing._ans import AnsDecoder, AnsEncoder
from fineprune.packing.errors import CoderMissingError, StreamError
from fineprune.packing.streams import Decoder, encode
from fineprune.packing.tables import TOTAL, Table, fit
from tests.packing.folders import tiny_tensors, write_folder
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


# The native coder beside `constriction`, whose streams these are.


def oracle() -> Any:
    reason = "constriction has no wheel for this machine"
    return pytest.importorskip("constriction", reason=reason).stream


def categorical(frequencies: NDArray[np.uint16]) -> Any:
    """The oracle's model with exactly these frequencies, times `2**10`.

    It takes floats: it gives each symbol a frequency of one, and spreads the rest by
    `probability * (2**24 - symbols) / sum`. Integers that add up to `2**24 - symbols` make that
    factor one and every rounding exact.
    """
    scaled = (frequencies.astype(np.int64) << 10) - 1
    return oracle().model.Categorical(scaled.astype(np.float64), perfect=False)


@st.composite
def frequencies_of(draw: st.DrawFn) -> NDArray[np.uint16]:
    """A table of two symbols or more: the oracle has none of one."""
    cuts = draw(st.sets(st.integers(1, TOTAL - 1), min_size=1, max_size=255))
    return np.diff([0, *sorted(cuts), TOTAL]).astype(np.uint16)


@given(st.lists(st.tuples(frequencies_of(), st.binary(max_size=300)), max_size=4))
def test_the_encoder_writes_what_the_oracle_writes(
    parts: list[tuple[NDArray[np.uint16], bytes]],
) -> None:
    encoder, expected = AnsEncoder(), oracle().stack.AnsCoder()
    for frequencies, content in reversed(parts):
        symbols = np.frombuffer(content, np.uint8) % len(frequencies)
        encoder.encode(frequencies, symbols.astype(np.uint8))
        expected.encode_reverse(symbols.astype(np.int32), categorical(frequencies))
    np.testing.assert_array_equal(encoder.words(), expected.get_compressed())


def test_the_encoder_writes_what_the_oracle_writes_of_many_symbols() -> None:
    rng = np.random.default_rng(0)
    cuts = np.sort(rng.choice(np.arange(1, TOTAL), 255, replace=False))
    frequencies = np.diff([0, *cuts, TOTAL]).astype(np.uint16)
    symbols = rng.choice(256, 200_000, p=frequencies / TOTAL).astype(np.uint8)
    encoder, expected = AnsEncoder(), oracle().stack.AnsCoder()
    encoder.encode(frequencies, symbols)
    expected.encode_reverse(symbols.astype(np.int32), categorical(frequencies))
    np.testing.assert_array_equal(encoder.words(), expected.get_compressed())


@given(st.lists(st.integers(0, 2**32 - 1), max_size=40), st.integers(0, 400), frequencies_of())
def test_the_decoder_reads_any_words_as_the_oracle_does(
    words: list[int], count: int, frequencies: NDArray[np.uint16]
) -> None:
    stream = np.array([*words, 1], np.uint32)
    native, expected = AnsDecoder(stream), oracle().stack.AnsCoder(stream)
    for _ in range(2):
        symbols = np.empty(count, np.uint8)
        native.decode(frequencies, symbols)
        np.testing.assert_array_equal(symbols, expected.decode(categorical(frequencies), count))
        assert native.is_empty() == expected.is_empty()


# The native coder's own checks.

NO_TABLES = [
    [],
    [TOTAL - 1],
    [TOTAL, 1],
    [0, TOTAL],
    [TOTAL // 2, TOTAL],
    [TOTAL // 256] * 256 + [1],
]


@pytest.mark.parametrize("frequencies", NO_TABLES)
def test_what_is_no_table_is_refused(frequencies: list[int]) -> None:
    table = np.array(frequencies, np.uint16)
    with pytest.raises(ValueError, match="frequencies"):
        AnsDecoder(np.array([1], np.uint32)).decode(table, np.zeros(5, np.uint8))
    with pytest.raises(ValueError, match="frequencies"):
        AnsEncoder().encode(table, np.zeros(1, np.uint8))


def test_a_symbol_without_frequency_is_refused_and_changes_nothing() -> None:
    encoder, half = AnsEncoder(), np.array([TOTAL // 2, TOTAL // 2], np.uint16)
    encoder.encode(half, np.ones(100, np.uint8))
    before = encoder.words()
    with pytest.raises(ValueError, match="no frequency"):
        encoder.encode(half, np.array([2, *[1] * 500], np.uint8))
    np.testing.assert_array_equal(encoder.words(), before)


def test_other_arrays_are_refused() -> None:
    half = np.array([TOTAL // 2, TOTAL // 2], np.uint16)
    words: Any
    symbols: Any
    wrong: Any = half.astype(np.int64)
    for words in (np.zeros(3, np.int64), np.ones((2, 2), np.uint32), np.ones(6, np.uint32)[::2]):
        with pytest.raises(TypeError):
            AnsDecoder(words)
    for symbols in (np.zeros(3, np.int64), np.zeros((2, 2), np.uint8), np.zeros(6, np.uint8)[::2]):
        with pytest.raises(TypeError):
            AnsEncoder().encode(half, symbols)
        with pytest.raises(TypeError):
            AnsDecoder(np.array([1], np.uint32)).decode(half, symbols)
    fixed = np.zeros(3, np.uint8)
    fixed.flags.writeable = False
    with pytest.raises(TypeError):
        AnsDecoder(np.array([1], np.uint32)).decode(half, fixed)
    with pytest.raises(TypeError):
        AnsEncoder().encode(wrong, np.zeros(1, np.uint8))
    with pytest.raises(ValueError, match="zero"):
        AnsDecoder(np.array([1, 0], np.uint32))


def test_without_the_native_coder_an_error_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_folder(tmp_path / "plain", tiny_tensors())
    pack(folder, tmp_path / "file")
    monkeypatch.setitem(sys.modules, "fineprune.packing._ans", None)
    for action in (
        lambda: pack(folder, tmp_path / "other"),
        lambda: read_packed(tmp_path / "file"),
        lambda: unpack(tmp_path / "file", tmp_path / "again"),
    ):
        with pytest.raises(
            CoderMissingError, match=r"coder .*missing .*install a C\+\+20"
        ) as caught:
            action()
        assert "\n" not in str(caught.value)
    assert {path.name for path in tmp_path.iterdir()} == {"plain", "file"}
