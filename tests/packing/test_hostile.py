"""Every lie that a file can tell has its error, and none costs more than it declares."""

import json
import struct
import time
import tracemalloc
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from fineprune.errors import PackedFileError
from fineprune.packing import (
    DenseTensor,
    PackedModel,
    ReadLimits,
    SparseTensor,
    pack,
    read_packed,
    unpack,
)
from fineprune.packing.errors import (
    ContainerError,
    CountError,
    LimitError,
    MetadataError,
    PositionError,
    RecordError,
    StreamError,
    TruncatedError,
    ValueRangeError,
    VersionError,
)
from fineprune.packing.header import Header, Kind, Layout
from fineprune.packing.reader import from_packed_bytes
from fineprune.packing.streams import Plan, Stream
from fineprune.packing.tables import TOTAL, Table, fit, tables_bytes
from tests.packing.crafting import (
    METADATA,
    changed,
    container_of,
    file_of,
    file_with,
    silent_file,
)
from tests.packing.folders import LAYER, TOKENIZER, tiny_tensors, write_folder

LIMITS = ReadLimits(weights=1 << 20, attachment_bytes=1 << 16)


def read(data: bytes, limits: ReadLimits = LIMITS) -> PackedModel:
    return from_packed_bytes(data, limits)


def symbols(*values: int) -> NDArray[np.uint8]:
    return np.array(values, np.uint8)


def dense_header(
    shape: Sequence[int] = (2, 3),
    kind: int = Kind.CODES,
    low_bits: int = 0,
    step: float = 0.5,
    classes: int = 1,
    chunk_rows: int = 2,
    layout: int = Layout.DENSE,
) -> bytes:
    """Written field by field, because `Header` would not write nonsense."""
    fields = struct.pack(f"<BBB{len(shape)}IB", layout, kind, len(shape), *shape, low_bits)
    fields += struct.pack("<f", step) if kind == Kind.CODES else b""
    return fields + struct.pack("<BI", classes, chunk_rows)


def dense_file(
    *,
    exponents: tuple[int, ...] = (0, 0),
    classes: tuple[int, ...] = (0, 0),
    items: tuple[int, ...] = (128, 129, 130, 1, 255, 128),
    header: bytes | None = None,
) -> bytes:
    """A matrix of two rows and three columns, in one chunk."""
    return file_with(
        header or dense_header(),
        [symbols(*exponents), symbols(*classes)],
        [symbols(*items)],
    )


def sparse_file(
    *,
    shape: tuple[int, int] = (2, 4),
    kept: int = 2,
    groups: tuple[int, ...] = (1,),
    number_of_classes: tuple[int, int] = (1, 1),
    classes: tuple[tuple[int, ...], tuple[int, ...]] = ((0, 0), (0, 0, 0, 0)),
    gaps: tuple[int, ...] = (1, 3),
    count: int | None = None,
    gap_table: Table | None = None,
    items: tuple[int, ...] = (1, 254),
    exponents: tuple[int, ...] = (0, 0),
) -> bytes:
    """A matrix of two rows and four columns, whose weights at 1 and 5 are kept."""
    header = Header(Layout.SPARSE, Kind.CODES, shape, 0, 0.5).to_bytes()
    header += struct.pack("<BBBI", *number_of_classes, 1, kept) + bytes(groups)
    header += struct.pack("<I", len(gaps) if count is None else count)
    positions = [symbols(*exponents), *(symbols(*each) for each in classes), symbols(*gaps)]
    tables = [fit(np.bincount(part, minlength=256)) for part in (*positions, symbols(*items))]
    tables[3] = gap_table or Table(0, np.array([TOTAL - 4, 1, 1, 1, 1]))  # K = 4
    return file_with(header, positions, [symbols(*items)], tables=tables)


def test_the_crafted_files_are_sound_where_nothing_is_wrong() -> None:
    dense, sparse = read(dense_file()).tensors["w"], read(sparse_file()).tensors["w"]
    assert isinstance(dense, DenseTensor)
    assert isinstance(sparse, SparseTensor)
    np.testing.assert_array_equal(dense.to_array(), [[0, 0.5, 1], [-63.5, 63.5, 0]])
    np.testing.assert_array_equal(sparse.to_array(), [[0, -63.5, 0, 0], [0, 63.5, 0, 0]])


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("hostile")
    write_folder(folder / "plain", tiny_tensors(), tokenizer_json=TOKENIZER)
    pack(folder / "plain", folder / "packed.safetensors")
    return (folder / "packed.safetensors").read_bytes()


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ContainerError, match="no file"):
        read_packed(tmp_path / "missing")


def test_a_file_larger_than_allowed_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(100))
    with pytest.raises(LimitError, match="file"):
        read_packed(tmp_path / "large", limits=ReadLimits(file_bytes=99))


def test_a_model_that_is_not_packed(tmp_path: Path) -> None:
    write_folder(tmp_path, tiny_tensors())
    file = tmp_path / "model.safetensors"
    with pytest.raises(MetadataError, match="no packed model") as caught:
        read_packed(file)
    assert str(caught.value).startswith(f"{file}: ")


def test_an_entry_that_is_not_described_as_bytes(tmp_path: Path) -> None:
    save_file({"w": np.zeros(3, np.float32)}, tmp_path / "file", metadata=METADATA)
    with pytest.raises(ContainerError, match="U8"):
        read_packed(tmp_path / "file")


def test_another_version_may_describe_its_entries_otherwise(tmp_path: Path) -> None:
    metadata = {**METADATA, "version": "2"}
    save_file({"w": np.zeros(3, np.float32)}, tmp_path / "file", metadata=metadata)
    with pytest.raises(VersionError):
        read_packed(tmp_path / "file")


def test_another_file_of_bytes() -> None:
    with pytest.raises(MetadataError, match="no packed model"):
        read(file_of({"a": b"123"}, {"format": "pt"}))


def test_a_file_cut_anywhere(packed: bytes) -> None:
    for end in range(0, len(packed), 7):
        with pytest.raises(TruncatedError):
            read(packed[:end])


def test_a_flipped_bit_anywhere(packed: bytes) -> None:
    for position in range(0, len(packed), 5):
        flipped = bytearray(packed)
        flipped[position] ^= 1 << position % 8
        with pytest.raises(PackedFileError):
            read(bytes(flipped))


def test_a_record_cut_anywhere(packed: bytes) -> None:
    container = container_of(packed)
    entries = {name: bytes(content) for name, content in container.entries.items()}
    record = entries[f"tensor:{LAYER}"]
    for size in range(len(record)):
        entries[f"tensor:{LAYER}"] = record[:size]
        with pytest.raises(TruncatedError):
            read(file_of(entries, dict(container.metadata)))


def test_a_record_that_goes_on(packed: bytes) -> None:
    def lengthen(entries: dict[str, bytes], _: dict[str, str]) -> None:
        entries[f"tensor:{LAYER}"] += b"\0"

    with pytest.raises(RecordError, match="more than"):
        read(changed(packed, lengthen))


def test_no_tables(packed: bytes) -> None:
    with pytest.raises(ContainerError, match="tables"):
        read(changed(packed, lambda entries, _: entries.pop("tables")))


@pytest.mark.parametrize("key", ["config", "provenance", "tied"])
@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "[]",
        "7",
        "{",
        "[" * 100_000,
        '{"\\ud800": 1}',
        f'{{"a": {"[" * 985 + "]" * 985}}}',
    ],
)
def test_metadata_that_is_no_object(packed: bytes, key: str, text: str | None) -> None:
    def change(_: dict[str, bytes], metadata: dict[str, str]) -> None:
        del metadata[key]
        if text is not None:
            metadata[key] = text

    with pytest.raises(MetadataError, match=key):
        read(changed(packed, change))


@pytest.mark.parametrize("tied", [{"v": "missing"}, {"v": ["w"]}, {"v": None}, {"w": "w"}])
def test_tied_to_nothing(tied: dict[str, object]) -> None:
    data = changed(dense_file(), lambda _, metadata: metadata.update(tied=json.dumps(tied)))
    with pytest.raises(MetadataError, match="tied"):
        read(data)


def test_a_tensor_with_the_name_of_the_metadata() -> None:
    def rename(entries: dict[str, bytes], _: dict[str, str]) -> None:
        entries["tensor:__metadata__"] = entries.pop("tensor:w")

    with pytest.raises(MetadataError, match="__metadata__"):
        read(changed(dense_file(), rename))
    with pytest.raises(MetadataError, match="__metadata__"):
        read(changed(dense_file(), lambda _, texts: texts.update(tied='{"__metadata__": "w"}')))


def test_a_tensor_tied_a_thousand_times_counts_a_thousand_times() -> None:
    tied = json.dumps({str(number): "w" for number in range(1000)})
    data = changed(dense_file(), lambda _, metadata: metadata.update(tied=tied))
    read(data, ReadLimits(weights=6 * 1001))
    with pytest.raises(LimitError, match="weights"):
        read(data, ReadLimits(weights=6 * 1001 - 1))


@pytest.mark.parametrize("shape", [(0,), (3, 0), (1 << 16, 1 << 15), (1 << 31,), (2**32 - 1,) * 8])
def test_a_shape_that_no_tensor_has(shape: tuple[int, ...]) -> None:
    with pytest.raises(CountError, match="shape"):
        read(dense_file(header=dense_header(shape)))


def test_a_shape_of_more_weights_than_allowed() -> None:
    with pytest.raises(LimitError, match="weights"):
        read(dense_file(header=dense_header((1 << 20, 2))))


@pytest.mark.parametrize(
    "header",
    [
        dense_header(layout=2),
        dense_header(kind=6),
        dense_header(shape=(1,) * 9),
        dense_header(low_bits=8),
        dense_header(kind=Kind.FLOAT16, low_bits=7),
        dense_header(kind=Kind.FLOAT32, low_bits=32),
        dense_header(kind=Kind.INT64, layout=Layout.SPARSE),
        dense_header(step=0),
        dense_header(step=-1),
        dense_header(step=float("nan")),
        dense_header(step=float("inf")),
        dense_header(classes=0),
        dense_header(chunk_rows=0),
    ],
)
def test_a_header_that_makes_no_sense(header: bytes) -> None:
    with pytest.raises(RecordError):
        read(dense_file(header=header))


@pytest.mark.parametrize(("chunk_rows", "readable"), [(1 << 14, True), ((1 << 14) - 1, False)])
def test_chunks_so_small_that_reading_them_would_take_forever(
    chunk_rows: int, *, readable: bool
) -> None:
    rows = np.zeros(1 << 15, np.uint8)
    chunk = [np.full(chunk_rows, 128, np.uint8)]
    header = dense_header((len(rows), 1), chunk_rows=chunk_rows)
    plan = Plan(header, [Stream(0, [rows, rows]), Stream(2, chunk), Stream(2, chunk)])
    tables = [fit(histogram) for histogram in plan.histograms()]
    record = plan.record(range(plan.references), tables)
    data = file_of({"tables": tables_bytes(tables), "tensor:w": record}, METADATA)
    if readable:
        assert read(data).tensors["w"].kept == 0
    else:
        with pytest.raises(RecordError, match="chunks"):
            read(data)


def test_a_table_that_is_not_there() -> None:
    def fewer(entries: dict[str, bytes], _: dict[str, str]) -> None:
        entries["tables"] = bytes([1, 0, 0, 0])

    with pytest.raises(RecordError, match="table"):
        read(changed(dense_file(), fewer))


def test_a_class_that_is_not_there() -> None:
    with pytest.raises(ValueRangeError, match="class"):
        read(dense_file(classes=(0, 1)))
    with pytest.raises(ValueRangeError, match="class"):
        read(sparse_file(classes=((0, 0), (0, 0, 7, 0))))


def test_a_scale_that_is_too_large() -> None:
    header = dense_header(step=1e30)
    assert np.isfinite(read(dense_file(header=header)).tensors["w"].to_array()).all()
    with pytest.raises(ValueRangeError, match="scale"):
        read(dense_file(header=header, exponents=(0, 255)))


@pytest.mark.parametrize("item", [0, 255])
def test_a_code_that_is_not_there(item: int) -> None:
    if item == 0:
        with pytest.raises(ValueRangeError, match="code"):
            read(dense_file(items=(1, 2, item, 4, 5, 6)))
    with pytest.raises(ValueRangeError, match="code"):
        read(sparse_file(items=(item, 3)))


@pytest.mark.parametrize(
    ("layout", "value", "message"),
    [
        (Layout.DENSE, np.inf, "finite"),
        (Layout.SPARSE, np.nan, "finite"),
        (Layout.SPARSE, 0.0, "zero"),
    ],
)
def test_a_float_that_is_not_allowed(layout: Layout, value: float, message: str) -> None:
    bits = int(np.array(value, np.float16).view(np.uint16))
    planes = bytes(bits >> bit & 1 for bit in range(8))
    high = symbols(bits >> 8)
    header = Header(layout, Kind.FLOAT16, (1, 1), 8).to_bytes()
    if layout is Layout.DENSE:
        data = file_with(header + struct.pack("<BI", 1, 1), [symbols(0)], [high], planes=planes)
    else:
        fields = struct.pack("<BBBIBI", 1, 1, 1, 1, 1, 1)
        gaps = Table(0, np.array([1, TOTAL - 1]))
        tables = [fit(np.bincount(one, minlength=256)) for one in (symbols(0), symbols(0))]
        data = file_with(
            header + fields,
            [symbols(0), symbols(0), symbols(0)],
            [high],
            planes=planes,
            tables=[*tables, gaps, fit(np.bincount(high, minlength=256))],
        )
    with pytest.raises(ValueRangeError, match=message):
        read(data)


@pytest.mark.parametrize(("kept", "count"), [(9, 2), (2, 9), (1 << 31, 2), (2, (1 << 32) - 1)])
def test_more_weights_or_gaps_than_cells(kept: int, count: int) -> None:
    with pytest.raises(CountError, match="cells"):
        read(sparse_file(kept=kept, count=count))


@pytest.mark.parametrize("kept", [0, 1, 3])
def test_another_number_of_weights_than_there_are(kept: int) -> None:
    with pytest.raises(CountError, match="kept"):
        read(sparse_file(kept=kept))


@pytest.mark.parametrize("gaps", [(3, 3, 0), (4, 4, 0), (4, 3, 3)])
def test_a_weight_past_the_end_of_the_matrix(gaps: tuple[int, ...]) -> None:
    with pytest.raises(PositionError, match="cell"):
        read(sparse_file(gaps=gaps, kept=len(gaps)))


def test_a_weight_in_a_block_that_keeps_none() -> None:
    with pytest.raises(PositionError, match="of 0"):
        read(sparse_file(groups=(0,)))


def test_a_group_that_is_not_there() -> None:
    with pytest.raises(RecordError, match="group"):
        read(sparse_file(groups=(2,)))


def test_no_classes() -> None:
    with pytest.raises(RecordError, match="class"):
        read(sparse_file(number_of_classes=(0, 1), groups=()))


def test_gaps_that_lead_nowhere() -> None:
    nowhere = Table(0, np.array([TOTAL]))
    with pytest.raises(RecordError, match="gaps"):
        read(sparse_file(gaps=(0, 0), gap_table=nowhere))


def test_a_stream_with_other_words() -> None:
    def swap(entries: dict[str, bytes], _: dict[str, str]) -> None:
        entries["tensor:w"] = entries["tensor:w"][:-1] + b"\x55"

    with pytest.raises(StreamError):
        read(changed(dense_file(), swap))


def test_more_words_than_the_record_has() -> None:
    data = dense_file()

    def lie(entries: dict[str, bytes], _: dict[str, str]) -> None:
        header = len(dense_header()) + 2 * 3  # and three references
        record = bytearray(entries["tensor:w"])
        record[header : header + 4] = struct.pack("<I", 1 << 31)
        entries["tensor:w"] = bytes(record)

    with pytest.raises(TruncatedError):
        read(changed(data, lie))


@pytest.mark.parametrize(
    "name",
    [
        "",
        "../evil.json",
        "/etc/evil.json",
        "a/../../evil.json",
        "a//b.json",
        ".hidden.json",
        "code.py",
        "evil.json\n",
        "C:\\evil.json",
        "config.json",
        "Config.JSON",
        "model.safetensors.index.json",
        "a/b/c/d/e.json",
        "a.json/b.json",
        f"{'a' * 101}.json",
        f"{'a' * 101}/b.json",
    ],
)
def test_a_name_that_must_not_be_written(name: str) -> None:
    record = struct.pack("<I", 0) + zlib.compress(b"")
    with pytest.raises(MetadataError, match="attached"):
        read(file_of({"tables": b"\0\0", f"file:{name}": record}, METADATA))


@pytest.mark.parametrize(
    ("record", "error"),
    [
        (b"\0\0", TruncatedError),
        (struct.pack("<I", 3), ValueRangeError),
        (struct.pack("<I", 3) + b"rubbish", ValueRangeError),
        (struct.pack("<I", 3) + zlib.compress(b"four"), ValueRangeError),
        (struct.pack("<I", 5) + zlib.compress(b"four"), ValueRangeError),
        (struct.pack("<I", 4) + zlib.compress(b"four")[:-1], ValueRangeError),
        (struct.pack("<I", 4) + zlib.compress(b"four") + b"!", ValueRangeError),
        (struct.pack("<I", 1 << 31) + zlib.compress(b""), LimitError),
        (struct.pack("<I", 100) + zlib.compress(bytes(1 << 26)), ValueRangeError),  # a bomb
    ],
)
def test_an_attachment_that_is_not_what_it_says(record: bytes, error: type[Exception]) -> None:
    tracemalloc.start()
    with pytest.raises(error):
        read(file_of({"tables": b"\0\0", "file:a.json": record}, METADATA))
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_attachments_are_limited_together() -> None:
    record = struct.pack("<I", 1000) + zlib.compress(bytes(1000))
    data = file_of({"tables": b"\0\0", "file:a.json": record, "file:b.json": record}, METADATA)
    assert len(read(data, ReadLimits(attachment_bytes=2000)).attachments) == 2
    with pytest.raises(LimitError, match="attached"):
        read(data, ReadLimits(attachment_bytes=1999))


def all_zero_bits(rows: int, columns: int) -> list[bytes]:
    """Files of some hundred bytes that declare matrices full of weights."""
    header = dense_header((rows, columns), chunk_rows=rows)
    zeros = np.zeros(rows, np.uint8)
    dense = file_with(header, [zeros, zeros], [np.full(rows * columns, 128, np.uint8)])
    gaps = Table(0, np.array([TOTAL - 1, 1]))
    header = Header(Layout.SPARSE, Kind.CODES, (rows, columns), 0, 0.5).to_bytes()
    header += struct.pack("<BBBIBI", 1, 1, 1, rows * columns, 1, rows * columns)
    full = [zeros, zeros, np.zeros(columns, np.uint8), np.zeros(rows * columns, np.uint8)]
    tables = [fit(np.bincount(part, minlength=256)) for part in full]
    values = np.ones(rows * columns, np.uint8)
    tables = [*tables[:3], gaps, fit(np.bincount(values, minlength=256))]
    return [dense, file_with(header, full, [values], tables=tables)]


@pytest.mark.parametrize("shape", [(1 << 18, 1), (1, 1 << 18), (512, 512)])
def test_no_tensor_takes_much_longer_than_its_shape(shape: tuple[int, int]) -> None:
    for data in all_zero_bits(*shape):
        assert len(data) < 2000
        start = time.process_time()
        read(data)
        assert time.process_time() - start < 1
        with pytest.raises(LimitError, match="raise weights"):
            read(data, ReadLimits(weights=(1 << 18) - 1))


# Memory: counted in bytes, before it is taken.


def peak_of(data: bytes, limits: ReadLimits) -> tuple[int, str]:
    """The most memory that reading a file took, and how it ended."""
    tracemalloc.start()
    try:
        read(data, limits)
        end = "success"
    except PackedFileError as error:
        end = str(error)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak, end


@pytest.mark.parametrize(
    ("header", "symbols"),
    [
        (dense_header((1 << 26,), Kind.INT64, chunk_rows=1), (0, 0)),
        (dense_header((1 << 28,), Kind.UINT8, chunk_rows=1), (0, 0)),
        (dense_header((1 << 15, 1 << 13), chunk_rows=1 << 15), (0, 0, 128)),
        (dense_header((1 << 28, 1), chunk_rows=1 << 28), (0, 0, 128)),
    ],
)
def test_a_small_file_that_announces_much_is_refused_before_memory_is_taken(
    header: bytes, symbols: tuple[int, ...], tmp_path: Path
) -> None:
    data = silent_file(header, symbols)
    assert len(data) < 500
    peak, end = peak_of(data, ReadLimits())
    assert "bytes of memory" in end
    assert "raise memory_bytes in ReadLimits if you trust the file" in end
    assert peak < 1 << 17
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(LimitError, match="memory"):
        unpack(tmp_path / "file", tmp_path / "target")


def hungry_files() -> dict[str, bytes]:
    """Files of some hundred bytes that take as much memory as they can, each in its own way."""
    n = 1 << 22
    half = TOTAL // 2
    order = np.arange(1 << 11) % 2
    halves = Table(0, np.array([half, half]))
    classes = order.astype(np.uint8)
    sparse = struct.pack("<BBBI", 2, 2, 1, n) + bytes([1, 1, 1, 1]) + struct.pack("<I", n)
    in_blocks = file_with(
        Header(Layout.SPARSE, Kind.CODES, (1 << 11, 1 << 11), 0, 0.5).to_bytes() + sparse,
        [np.zeros(1 << 11, np.uint8), classes, classes, np.zeros(n, np.uint8)],
        [np.ones(n // 2, np.uint8), np.ones(n // 2, np.uint8)],
        tables=[
            Table(0, np.array([TOTAL])),
            halves,
            halves,
            Table(0, np.array([TOTAL - 1, 1])),
            Table(1, np.array([TOTAL])),
            Table(1, np.array([TOTAL])),
        ],
    )
    floats = Header(Layout.DENSE, Kind.FLOAT32, (n,), 24).to_bytes() + struct.pack("<BI", 1, 1)
    tall, wide = all_zero_bits(n, 1), all_zero_bits(1, n)
    return {
        "tall codes": tall[0],
        "wide codes": wide[0],
        "tall and sparse": tall[1],
        "wide and sparse": wide[1],
        "sparse, in blocks": in_blocks,
        "integers": silent_file(dense_header((n,), Kind.INT64, chunk_rows=1), (0, 0)),
        "floats": silent_file(floats, (0, 0), planes=bytes(3 * n)),
    }


@pytest.mark.parametrize("name", hungry_files())
def test_no_file_takes_more_memory_than_it_is_counted_for(name: str) -> None:
    data = hungry_files()[name]
    enough = ReadLimits(memory_bytes=1 << 40, weights=1 << 22)
    peak, end = peak_of(data, enough)
    assert end == "success"
    assert peak > 1 << 23
    # If the count were less than what is taken, it would be accepted here.
    short = ReadLimits(memory_bytes=peak - (1 << 18), weights=1 << 22)
    refused_at, end = peak_of(data, short)
    assert "bytes of memory" in end
    assert refused_at < 1 << 18


def test_tensors_decoded_side_by_side_share_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    hungry = hungry_files()["sparse, in blocks"]

    def repeat(entries: dict[str, bytes], _: dict[str, str]) -> None:
        for number in range(7):
            entries[f"tensor:{number}"] = entries["tensor:w"]

    data = changed(hungry, repeat)
    one, _ = peak_of(hungry, ReadLimits(memory_bytes=1 << 40, weights=1 << 25))
    allowed = ReadLimits(memory_bytes=3 * one, weights=1 << 25)
    peak, end = peak_of(data, allowed)
    assert end == "success"
    assert peak < 3 * one


def test_only_what_is_wanted_is_decoded_and_counted(packed: bytes) -> None:
    huge = silent_file(dense_header((1 << 26,), Kind.INT64, chunk_rows=1), (0, 0))
    record = bytes(container_of(huge).entries["tensor:w"])

    def add(entries: dict[str, bytes], _: dict[str, str]) -> None:
        entries["tensor:huge"] = record

    data = changed(packed, add)
    with pytest.raises(LimitError):
        read(data, ReadLimits())
    wanted = from_packed_bytes(data, LIMITS, [LAYER, "head.decoder.weight"])
    assert list(wanted.tensors) == [LAYER, "head.decoder.weight"]
    whole = read(packed).tensors
    for name, tensor in wanted.tensors.items():
        np.testing.assert_array_equal(tensor.to_array(), whole[name].to_array())
    assert from_packed_bytes(data, LIMITS, ()).tensors == {}
    with pytest.raises(MetadataError, match="no tensor 'missing'"):
        from_packed_bytes(data, LIMITS, ["missing"])


@pytest.mark.parametrize("part", ["[],", "{},", "0,", '"",', "[[[[[[[[]]]]]]]],"])
@pytest.mark.parametrize("key", ["config", "provenance", "tied"])
def test_metadata_that_would_take_much_memory(key: str, part: str) -> None:
    text = '{"a":[' + part * (3_000_000 // len(part)) + "0]}"
    data = file_of({"tables": b"\0\0"}, {**METADATA, key: text})
    peak, end = peak_of(data, ReadLimits())
    assert peak < ReadLimits().memory_for(len(data))
    assert end == "success" or "bytes of memory with metadata" in end or "tied" in end


def test_a_header_that_would_take_much_memory() -> None:
    text = b'{"a":[' + b"{}," * 2_000_000 + b"0]}"
    peak, end = peak_of(struct.pack("<Q", len(text)) + text, ReadLimits())
    assert "bytes of memory with metadata" in end
    assert peak < 3 * len(text)


@pytest.mark.parametrize(("depth", "readable"), [(100, True), (101, False)])
def test_metadata_of_many_levels(depth: int, *, readable: bool) -> None:
    text = '{"a":' + "[" * (depth - 1) + "0" + "]" * (depth - 1) + "}"
    data = file_of({"tables": b"\0\0"}, {**METADATA, "config": text})
    if readable:
        assert read(data).config["a"]
    else:
        with pytest.raises(MetadataError, match="config"):
            read(data)


def test_a_config_takes_its_memory_also_when_it_is_unpacked(tmp_path: Path) -> None:
    deep = '{"a":' + "[" * 98 + "[0," * 1 + "0," * 200_000 + "0" + "]" * 99 + "}"
    (tmp_path / "file").write_bytes(file_of({"tables": b"\0\0"}, {**METADATA, "config": deep}))
    limits = ReadLimits(memory_bytes=(1 << 26) + 256 * 200_000)
    tracemalloc.start()
    unpack(tmp_path / "file", tmp_path / "target", limits=limits)
    assert tracemalloc.get_traced_memory()[1] < limits.memory_for(0)
    tracemalloc.stop()
