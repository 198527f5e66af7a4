"""Texts out of files: every row in its place, whatever is wrong with it."""

import csv
import gzip
import json
import tracemalloc
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fineprune.corpus.formats import INPUTS, open_texts, writer_for
from fineprune.corpus.rows import Row
from fineprune.errors import DataError

TEXTS = ["a b", "", "  ", 'say "no", or', "x\u2028y\x85z\x0c", "日本 😀", "tail"]


def rows(path: Path, *names: str) -> list[Row]:
    return list(open_texts(path, names or ("text",)).rows())


def texts(found: Iterable[Row]) -> list[str | None]:
    return [row.texts[0] if not row.fault else None for row in found]


def write_jsonl(path: Path, values: Sequence[str]) -> Path:
    path.write_text("".join(f"{json.dumps({'id': 1, 'text': one})}\n" for one in values))
    return path


def write_csv(path: Path, values: Sequence[str]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("id", "text"), *(("1", one) for one in values)])
    return path


def write_tsv(path: Path, values: Sequence[str]) -> Path:
    lines = ["id\ttext", *(f"1\t{one}" for one in values)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")
    return path


def write_txt(path: Path, values: Sequence[str]) -> Path:
    path.write_text("".join(f"{one}\n" for one in values), encoding="utf-8", newline="")
    return path


def write_parquet(path: Path, values: Sequence[str]) -> Path:
    pyarrow.parquet.write_table(pyarrow.table({"id": [1] * len(values), "text": values}), path)
    return path


WRITERS = {
    ".jsonl": write_jsonl,
    ".csv": write_csv,
    ".tsv": write_tsv,
    ".txt": write_txt,
    ".parquet": write_parquet,
}


def test_every_format_is_tested() -> None:
    assert WRITERS.keys() == set(INPUTS)


@pytest.mark.parametrize("ending", WRITERS)
def test_texts_in_their_order(ending: str, tmp_path: Path) -> None:
    found = rows(WRITERS[ending](tmp_path / f"texts{ending}", TEXTS))
    assert texts(found) == TEXTS
    assert [row.number for row in found] == list(range(1, len(TEXTS) + 1))


@pytest.mark.parametrize("ending", WRITERS)
def test_the_position_comes_to_the_size(ending: str, tmp_path: Path) -> None:
    file = open_texts(WRITERS[ending](tmp_path / f"texts{ending}", TEXTS), ("text",))
    list(file.rows())
    assert file.position == file.size


@pytest.mark.parametrize("ending", [ending for ending in WRITERS if ending != ".parquet"])
def test_compressed(ending: str, tmp_path: Path) -> None:
    plain = WRITERS[ending](tmp_path / f"texts{ending}", TEXTS)
    packed = tmp_path / f"texts{ending}.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert texts(rows(packed)) == TEXTS
    packed.write_bytes(gzip.compress(plain.read_bytes())[:-9])
    with pytest.raises(DataError, match="complete gzip"):
        rows(packed)


@pytest.mark.parametrize("ending", [ending for ending in WRITERS if ending != ".parquet"])
def test_a_byte_order_mark_is_no_text(ending: str, tmp_path: Path) -> None:
    path = WRITERS[ending](tmp_path / f"texts{ending}", ["first", "second"])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert texts(rows(path)) == ["first", "second"]


def test_what_is_no_text_in_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    lines = [
        b'{"text": "good"}',
        b'{"other": "x"}',
        b'{"text": null}',
        b'{"text": 5}',
        b'{"text": ["x"]}',
        b'["text"]',
        b'{"text": "cut',
        b'{"text": "\xff"}',
        b"   ",
        b'{"text": "half \\ud83d"}',
        b"[" * 100_000,
        b'{"text": "last"}',
    ]
    path.write_bytes(b"\n".join(lines))
    found = rows(path)
    assert texts(found) == ["good", *[None] * 7, "half \ufffd", None, "last"]
    said = [row.fault for row in found if row.fault]
    expected = ["no column 'text', only 'other'", "is null", "is 5, of type int", "of type list"]
    expected += ["no object", "not JSON", "not UTF-8", "not JSON"]
    assert all(part in one for part, one in zip(expected, said, strict=True))


def test_what_is_no_text_in_delimited_text(tmp_path: Path) -> None:
    path = tmp_path / "texts.csv"
    lines = [
        b"id,text",
        b"1,good",
        b"2",
        b"3,x,y",
        b"4,\xff",
        b"\xff,fine",
        b"",
        b'5,"a"b',
        b"6,last",
    ]
    path.write_bytes(b"\n".join(lines))
    found = rows(path)
    assert texts(found) == ["good", None, None, None, "fine", None, "last"]
    said = [row.fault for row in found if row.fault]
    expected = [
        "1 fields where 2",
        "3 fields where 2",
        "'text' is not UTF-8",
        "as the format has it",
    ]
    assert all(part in one for part, one in zip(expected, said, strict=True))


def test_what_is_no_text_in_parquet(tmp_path: Path) -> None:
    data = pyarrow.py_buffer(b"good\xff\xfelast")
    offsets = pyarrow.array([0, 4, 6, 6, 10], pyarrow.int32()).buffers()[1]
    valid = pyarrow.array([True, True, False, True]).buffers()[1]
    column = pyarrow.Array.from_buffers(pyarrow.string(), 4, [valid, offsets, data])
    path = tmp_path / "texts.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"text": column}), path)
    found = rows(path)
    assert texts(found) == ["good", None, None, "last"]
    assert [row.fault for row in found] == [
        "",
        "column 'text' is not UTF-8 text",
        "column 'text' is null",
        "",
    ]


def test_lines_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_bytes(b"good\r\n\n\xff\nlast")
    found = rows(path)
    assert texts(found) == ["good", "", None, "last"]
    assert found[2].fault == "the line is not UTF-8 text"


def test_two_columns(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"a": "x", "b": "y"}\n{"a": "x", "b": null}\n')
    found = rows(path, "a", "b")
    assert found[0].texts == ("x", "y")
    assert found[1].fault == "column 'b' is null"
    with pytest.raises(DataError, match="no second column"):
        rows(write_txt(tmp_path / "texts.txt", TEXTS), "a", "b")


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".parquet"])
def test_a_column_that_is_not_there(ending: str, tmp_path: Path) -> None:
    path = WRITERS[ending](tmp_path / f"texts{ending}", TEXTS)
    with pytest.raises(DataError, match="no column 'txt', only 'id', 'text'"):
        rows(path, "txt")


def test_a_column_that_no_row_has(tmp_path: Path) -> None:
    file = open_texts(write_jsonl(tmp_path / "texts.jsonl", TEXTS), ("txt",))
    assert all(row.fault for row in file.rows())
    with pytest.raises(DataError, match="no column 'txt', only 'id', 'text'"):
        file.require_columns()


def test_a_column_of_numbers(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "texts.parquet", TEXTS)
    with pytest.raises(DataError, match="'id' is of type int64; expected text"):
        rows(path, "id")


@pytest.mark.parametrize("name", ["texts", "texts.json", "texts.parquet.gz", "texts.xlsx"])
def test_unknown_formats(name: str) -> None:
    with pytest.raises(DataError, match="has to end in"):
        open_texts(Path(name), ("text",))
    with pytest.raises(DataError, match="has to end in"):
        writer_for(Path(name))


@pytest.mark.parametrize("ending", WRITERS)
def test_files_that_are_not_there_or_something_else(ending: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such file"):
        rows(tmp_path / f"nowhere{ending}")
    (tmp_path / f"folder{ending}").mkdir()
    with pytest.raises(DataError):
        rows(tmp_path / f"folder{ending}")
    (tmp_path / f"empty{ending}").write_bytes(b"")
    if ending in (".jsonl", ".txt"):
        assert rows(tmp_path / f"empty{ending}") == []
    else:
        with pytest.raises(DataError):
            rows(tmp_path / f"empty{ending}")


@given(content=st.binary(max_size=300), ending=st.sampled_from(sorted(WRITERS)))
def test_any_bytes(content: bytes, ending: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("bytes") / f"texts{ending}"
    path.write_bytes(b"text\n" + content if ending in (".csv", ".tsv") else content)
    try:
        found = rows(path)
    except DataError:
        return
    assert [row.number for row in found] == list(range(1, len(found) + 1))
    assert all(bool(row.fault) != bool(row.texts) for row in found)


@pytest.mark.parametrize("ending", WRITERS)
def test_memory_does_not_grow_with_the_file(ending: str, tmp_path: Path) -> None:
    # 20 MB; all of them different, so that no dictionary of Parquet's makes them small.
    many = [f"{i} " + "word " * 1000 for i in range(4_000)]
    path = WRITERS[ending](tmp_path / f"texts{ending}", many)
    arrow_before, most = pyarrow.total_allocated_bytes(), 0
    tracemalloc.start()
    try:
        for row in open_texts(path, ("text",)).rows():
            if row.number % 100 == 0:
                most = max(most, pyarrow.total_allocated_bytes() - arrow_before)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak + most < 15_000_000
