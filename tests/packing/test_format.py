"""What `docs/format.md` settles, and a reader might have read otherwise. Both readers agree."""

import struct
import zlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fineprune.packing import ReadLimits, pack, read_packed, unpack
from fineprune.packing.errors import ChecksumError, ValueRangeError
from fineprune.packing.header import Header, Kind, Layout
from fineprune.packing.reader import from_packed_bytes
from fineprune.packing.tables import TOTAL, Table, read_tables
from fineprune.packing.tensors import EIGHTHS, LARGEST_SCALE
from tests.packing import reference_reader
from tests.packing.crafting import METADATA, changed, container_of, file_of, file_with
from tests.packing.folders import write_folder

WIDTHS = {
    Kind.CODES: 8,
    Kind.FLOAT16: 16,
    Kind.FLOAT32: 32,
    Kind.UINT8: 8,
    Kind.INT32: 8,
    Kind.INT64: 8,
}
"""Bits of an item."""


def both(data: bytes) -> NDArray[Any]:
    """The tensor `w` of a file, as both readers read it, bit by bit."""
    ours = from_packed_bytes(data, ReadLimits()).tensors["w"].to_array()
    shape, values = reference_reader.read(data).tensors["w"]
    theirs = np.array(values, ours.dtype).reshape(shape)
    assert ours.tobytes() == theirs.tobytes()
    return ours


def one_row(
    items: NDArray[Any], kind: Kind, low: int, shape: tuple[int, ...], **rest: Any
) -> bytes:
    """A dense file of one row, whose items have so many low bits."""
    step = rest.get("step", 0.0)
    header = Header(Layout.DENSE, kind, shape, low, step).to_bytes() + struct.pack("<BI", 1, 1)
    bits = items.astype(np.uint64)
    planes = b"".join(
        np.packbits(
            (bits >> np.uint64(bit) & np.uint64(1)).astype(np.uint8), bitorder="little"
        ).tobytes()
        for bit in range(low)
    )
    sides = [np.zeros(1, np.uint8)] * (2 if kind is Kind.CODES else 1)
    return file_with(header, sides, [(bits >> np.uint64(low)).astype(np.uint8)], planes=planes)


# Low bits: of items of w bits, w - 8 <= l < w.


@pytest.mark.parametrize("kind", Kind)
def test_from_eight_bits_to_one_are_coded(kind: Kind) -> None:
    rng = np.random.default_rng(int(kind))
    width = WIDTHS[kind]
    for low in (width - 8, width - 5, width - 1):
        if kind is Kind.CODES:
            codes = rng.integers(-127, 128, 30)
            data = one_row(codes + 128, kind, low, (30,), step=0.5)
            np.testing.assert_array_equal(both(data), codes * np.float32(0.5))
            continue
        types = {1: "<f2", 2: "<f4", 3: "u1", 4: "<i4", 5: "<i8"}
        values = (rng.standard_normal(30) * 100).astype(types[kind])
        data = one_row(values.view(f"<u{width // 8}"), kind, low, (30,))
        expected = values.astype(np.float32) if values.dtype.kind == "f" else values
        np.testing.assert_array_equal(both(data), expected)


# Attached files: the size is that of the content.


def test_the_size_of_an_attached_file_is_that_of_its_content() -> None:
    content = b"a long text, " * 100
    record = struct.pack("<I", len(content)) + zlib.compress(content)
    assert len(record) < len(content)
    data = file_of({"tables": b"\0\0", "file:a.txt": record}, METADATA)
    assert from_packed_bytes(data, ReadLimits()).attachments == {"a.txt": content}
    assert reference_reader.read(data).attachments == {"a.txt": content}
    for size in (len(zlib.compress(content)), len(content) - 1, len(content) + 1):
        wrong = struct.pack("<I", size) + zlib.compress(content)
        with pytest.raises(ValueRangeError, match="not of"):
            from_packed_bytes(
                file_of({"tables": b"\0\0", "file:a.txt": wrong}, METADATA), ReadLimits()
            )


# LEB128: two bytes may stand where one would do.


@pytest.mark.parametrize(("leb128", "frequency"), [([5], 5), ([0x85, 0], 5), ([0x85, 1], 133)])
def test_a_frequency_may_take_two_bytes(leb128: list[int], frequency: int) -> None:
    record = bytes([1, 0, 3, 1, *leb128])
    [ours] = read_tables(memoryview(record))
    [theirs] = reference_reader.read_tables(reference_reader.Bytes(record))
    assert list(ours.frequencies) == theirs.frequencies == [frequency, TOTAL - frequency]


# Minus zero: a float like others where all are stored, and a zero where only others are.


@pytest.mark.parametrize(("kind", "dtype"), [(Kind.FLOAT16, "<f2"), (Kind.FLOAT32, "<f4")])
def test_minus_zero_keeps_its_sign_in_a_dense_record(kind: Kind, dtype: str) -> None:
    values = np.array([0.0, -0.0, 1.5], dtype)
    width = WIDTHS[kind]
    array = both(one_row(values.view(f"<u{width // 8}"), kind, width - 8, (3,)))
    assert list(np.signbit(array)) == [False, True, False]
    np.testing.assert_array_equal(array, [0, 0, 1.5])


@pytest.mark.parametrize(("kind", "dtype"), [(Kind.FLOAT16, "<f2"), (Kind.FLOAT32, "<f4")])
def test_minus_zero_is_a_zero_in_a_sparse_record(kind: Kind, dtype: str) -> None:
    width = WIDTHS[kind]
    bits = int(np.array(-0.0, dtype).view(f"<u{width // 8}"))
    planes = bytes(bits >> bit & 1 for bit in range(width - 8))
    header = Header(Layout.SPARSE, kind, (1, 1), width - 8).to_bytes()
    fields = struct.pack("<BBBIBI", 1, 1, 1, 1, 1, 1)
    zero, high = np.zeros(1, np.uint8), np.array([bits >> (width - 8)], np.uint8)
    single = [Table(int(part[0]), np.array([TOTAL])) for part in (zero, zero, high)]
    tables = [*single[:2], Table(0, np.array([1, TOTAL - 1])), single[2]]
    data = file_with(header + fields, [zero, zero, zero], [high], planes=planes, tables=tables)
    with pytest.raises(ValueRangeError, match="zero"):
        from_packed_bytes(data, ReadLimits())


def test_a_code_of_zero_has_no_sign() -> None:
    array = both(one_row(np.full(3, 128), Kind.CODES, 0, (3,), step=1e-45))
    assert not np.signbit(array).any()


# Code times scale: rounded once, to nearest, ties to even; small results stay subnormal.


def float32_of(number: Fraction) -> Fraction:
    """The float32 nearest to a number that is not zero; of two, the even one."""
    exponent = -149
    while abs(number) / Fraction(2) ** exponent >= 2**24:
        exponent += 1
    # `round` of a fraction goes to even; a carry to 2**24 is the same number.
    return round(number / Fraction(2) ** exponent) * Fraction(2) ** exponent


STEPS = [1 + 2**-23, 1 + 3 * 2**-23, 1 / 3, 2.0**-149, 3 * 2.0**-149, 2.0**-126, 1e-40, 1e30]


@pytest.mark.parametrize("step", STEPS)
def test_a_weight_is_the_float_nearest_to_its_code_times_its_scale(step: float) -> None:
    codes = np.arange(-127, 128)
    exact = Fraction(float(np.float32(step)))
    array = both(one_row(codes + 128, Kind.CODES, 0, (255,), step=step))
    expected = [float32_of(int(code) * exact) if code else 0 for code in codes]
    assert [Fraction(float(value)) for value in array] == expected


def test_a_tie_goes_to_even() -> None:
    # 3 + 3 * 2**-23 lies between 3 + 2**-22 and 3 + 2**-21, and the latter's last bit is zero.
    array = both(one_row(np.array([131]), Kind.CODES, 0, (1,), step=1 + 2**-23))
    assert float(array[0]) == 3 + 2**-21


def test_a_scale_is_rounded_after_each_product() -> None:
    step = np.float32(1 + 2**-23)
    exponents = np.arange(256, dtype=np.uint8)
    rows = len(exponents)
    header = Header(Layout.DENSE, Kind.CODES, (rows, 1), 0, float(step)).to_bytes()
    data = file_with(
        header + struct.pack("<BI", 1, rows),
        [exponents, np.zeros(rows, np.uint8)],
        [np.full(rows, 129, np.uint8)],
    )
    eighths = [float32_of(Fraction(2.0 ** (k / 8))) for k in range(8)]
    assert [Fraction(float(each)) for each in EIGHTHS] == eighths
    expected = [
        float32_of(eighths[e % 8] * Fraction(float(step))) * Fraction(2) ** (e // 8)
        for e in range(rows)
    ]
    assert [Fraction(float(value)) for value in both(data).ravel()] == expected


def test_the_largest_scale_is_that_of_finite_weights() -> None:
    largest = np.finfo(np.float32).max
    for scale, fits in (
        (LARGEST_SCALE, True),
        (np.nextafter(LARGEST_SCALE, largest), False),
    ):
        assert (float32_of(127 * Fraction(float(scale))) <= Fraction(float(largest))) is fits
        data = one_row(np.array([255, 1]), Kind.CODES, 0, (2,), step=float(scale))
        if fits:
            assert np.isfinite(both(data)).all()
        else:
            with pytest.raises(ValueRangeError, match="scale"):
                from_packed_bytes(data, ReadLimits())


# Metadata.


def test_unknown_keys_and_entries_are_read_over_and_belong_to_the_checksum() -> None:
    plain = one_row(np.array([129]), Kind.CODES, 0, (1,), step=0.5)

    def add(entries: dict[str, bytes], texts: dict[str, str]) -> None:
        entries["note"] = b"123"
        texts["pad"] = "x" * 3

    more = changed(plain, add)
    np.testing.assert_array_equal(both(more), both(plain))
    for other in (more.replace(b"xxx", b"xyx"), more.replace(b"123", b"124")):
        with pytest.raises(ChecksumError):
            from_packed_bytes(other, ReadLimits())


def test_numbers_of_a_config_may_be_infinite() -> None:
    config = '{"limits": [0.0, Infinity, -Infinity]}'
    data = file_of({"tables": b"\0\0"}, {**METADATA, "config": config})
    expected = {"limits": [0.0, float("inf"), float("-inf")]}
    assert from_packed_bytes(data, ReadLimits()).config == expected
    assert reference_reader.read(data).config == expected


def test_tensors_that_are_equal_by_chance_are_tied_like_others(tmp_path: Path) -> None:
    ones, others = np.ones(5, np.float32), np.ones((5, 1), np.float32)
    tensors = {"a.weight": ones, "b.weight": ones.copy(), "c.weight": others, "d.bias": ones.copy()}
    pack(write_folder(tmp_path / "plain", tensors), tmp_path / "file")
    data = (tmp_path / "file").read_bytes()
    assert container_of(data).metadata["tied"] == '{"b.weight":"a.weight","d.bias":"a.weight"}'
    assert {"tensor:a.weight", "tensor:c.weight"} == {
        name for name in container_of(data).entries if name.startswith("tensor:")
    }
    unpack(tmp_path / "file", tmp_path / "again")
    ours, theirs = read_packed(tmp_path / "file").tensors, reference_reader.read(data).tensors
    assert set(ours) == set(theirs) == set(tensors)
    for name, array in tensors.items():
        np.testing.assert_array_equal(ours[name].to_array(), array)
        assert theirs[name] == (list(array.shape), [1.0] * 5)
