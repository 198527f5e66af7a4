"""Files that need options, and files that are broken: where each row stands, what is told."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from datasets import ClassLabel, Dataset, Features, Value
from pydantic import ValidationError

from fineprune.errors import DataError
from fineprune.tasks.data import READERS, BrokenRow, Table, TableSource, read, refuse

Write = Callable[[str, str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def read_all(source: TableSource, broken: list[BrokenRow] | None = None) -> Table:
    on_broken = refuse if broken is None else broken.append
    return read(source, {"text", "label"}, on_broken)


def rows_of(table: Table) -> list[tuple[object, ...]]:
    return list(zip(table.column("text"), table.column("label"), strict=True))


def test_every_format_has_a_reader() -> None:
    assert tuple(READERS) == TableSource.formats


def test_a_blank_line_under_one_column_is_not_passed_over(write: Write) -> None:
    path = write("a.tsv", "\ntext\none\n\ntwo\n")
    with pytest.raises(DataError, match="line 4: 0 fields where 1 are expected"):
        read_all(TableSource(path=str(path)))


def test_quotes_in_tsv_are_text(write: Write) -> None:
    path = write("a.tsv", 'text\tlabel\n"it \'s\t1\n" \t0\n')
    assert rows_of(read_all(TableSource(path=str(path)))) == [("\"it 's", "1"), ('" ', "0")]


def test_lines_are_counted_with_header_blank_lines_and_line_breaks_in_quotes(write: Write) -> None:
    path = write("a.csv", 'text,label\n"two\nlines",1\n\nx,2\n')
    table = read_all(TableSource(path=str(path)))
    assert rows_of(table) == [("two\nlines", "1"), ("x", "2")]
    assert (table.unit, list(table.numbers)) == ("line", [2, 5])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv", "a\tx\nb\ty\n"),
        ("a.csv", "a,x\nb,y\n"),
        ("a.json", '[["a", "x"], ["b", "y"]]'),
        ("a.jsonl", '["a", "x"]\n["b", "y"]\n'),
    ],
)
def test_columns_name_what_has_no_header(write: Write, name: str, content: str) -> None:
    source = TableSource(path=str(write(name, content)), columns=("text", "label"))
    table = read_all(source)
    assert rows_of(table) == [("a", "x"), ("b", "y")]
    assert list(table.numbers) == [1, 2]


def test_a_field_of_a_json_object(write: Write) -> None:
    path = write("a.json", '{"train": [{"text": "a", "label": 1}], "version": 2}')
    assert rows_of(read_all(TableSource(path=str(path), field="train"))) == [("a", 1)]


def test_keys_may_come_in_any_order_and_be_missing(write: Write) -> None:
    path = write("a.jsonl", '{"label": 1}\n\n{"more": 0, "text": "b", "label": 2}\n')
    table = read_all(TableSource(path=str(path)))
    assert rows_of(table) == [(None, 1), ("b", 2)]
    assert table.found == ("label", "more", "text")
    assert list(table.numbers) == [1, 3]


def test_parquet_of_any_text_type(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    text = pyarrow.array(["a", None], pyarrow.large_string())
    label = pyarrow.array(["x", "y"]).dictionary_encode()
    pyarrow.parquet.write_table(pyarrow.table({"text": text, "label": label}), path)
    assert rows_of(read_all(TableSource(path=str(path)))) == [("a", "x"), (None, "y")]


def test_class_names_in_parquet(tmp_path: Path) -> None:
    features = Features({"text": Value("string"), "label": ClassLabel(names=["no", "yes"])})
    path = tmp_path / "a.parquet"
    Dataset.from_dict({"text": ["a", "b", "c"], "label": [1, 0, -1]}, features=features).to_parquet(
        path
    )
    table = read_all(TableSource(path=str(path)))
    assert rows_of(table) == [("a", "yes"), ("b", "no"), ("c", None)]
    assert table.class_names == {"label": ("no", "yes")}


@pytest.mark.parametrize(
    ("name", "content", "place", "words"),
    [
        ("a.tsv", "text\tlabel\na\t1\nb\n", "line 3", "1 fields where 2 are expected"),
        ("a.tsv", "text\tlabel\na\tb\t1\n", "line 2", "3 fields where 2 are expected"),
        ("a.csv", "text,label\n\n\na,b,1\n", "line 4", "3 fields where 2 are expected"),
        ("a.jsonl", '{"text": "a", "label": 1}\n{"text"\n', "line 2", "not JSON (Expecting ':'"),
        ("a.jsonl", "[" * 100_000, "line 1", "not JSON"),
        ("a.jsonl", '["a", 1]', "line 1", "rows that are arrays need names"),
        ("a.json", '[{"text": "a", "label": 1}, null]', "row 2", "None where an object"),
    ],
)
def test_broken_rows(write: Write, name: str, content: str, place: str, words: str) -> None:
    source = TableSource(path=str(write(name, content)))
    with pytest.raises(DataError) as caught:
        read_all(source)
    message = str(caught.value)
    assert message.startswith(f"{source.path}, {place}: ")
    assert words in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('[["a", "x"], ["b"]]', "row 2: 1 fields where 2"),
        ('[["a", "x"], {"text": 1}]', "row 2: {'text': 1} where an array is expected"),
    ],
)
def test_broken_arrays(write: Write, content: str, words: str) -> None:
    source = TableSource(path=str(write("a.json", content)), columns=("text", "label"))
    with pytest.raises(DataError, match=words):
        read_all(source)


def test_broken_rows_can_be_left_out(write: Write) -> None:
    broken: list[BrokenRow] = []
    path = write("a.tsv", "text\tlabel\na\nb\t1\nc\t2\t3\nd\t4\n")
    table = read_all(TableSource(path=str(path)), broken)
    assert rows_of(table) == [("b", "1"), ("d", "4")]
    assert list(table.numbers) == [3, 5]
    assert [(row.source, row.place) for row in broken] == [
        (str(path), "line 2"),
        (str(path), "line 4"),
    ]


EMPTY = {
    "nothing.tsv": "",
    "nothing.csv": "",
    "nothing.json": " ",
    "nothing.jsonl": "\n\n",
    "header.tsv": "text\tlabel\n",
    "array.json": "[]",
}


@pytest.mark.parametrize("name", EMPTY)
def test_empty_files(write: Write, name: str) -> None:
    with pytest.raises(DataError, match=rf"{name} is empty"):
        read_all(TableSource(path=str(write(name, EMPTY[name]))))


def test_an_empty_parquet_file(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"text": pyarrow.array([], pyarrow.string())}), path)
    with pytest.raises(DataError, match=r"a\.parquet is empty"):
        read_all(TableSource(path=str(path)))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", 'text,label\n"a,1\n', "line 2: unexpected end of data"),
        ("a.csv", 'text,label\n"a"b,1\n', "line 2: ',' expected after '\"'"),
        ("a.csv", "text,text\na,1\n", "has a column twice: 'text', 'text'"),
        ("a.tsv", b"text\tlabel\n\xff\t1\n", "is not UTF-8 text"),
        ("a.json", '[{"text": }]', "line 1, column 11: not JSON (Expecting value)"),
        ("a.json", '{"train": [], "test": []}', "name one of its keys as `field` ('train', 'test'"),
        ("a.json", '"text"', "holds 'text', not an array of rows"),
        ("a.json", "[" * 100_000, "is not JSON that can be read"),
        ("a.json", "[" + "1" * 10_000 + "]", "is not JSON that can be read"),
        ("a.parquet", "PAR1 no", "cannot be read as Parquet"),
        ("a.tsv.gz", "text\tlabel\n", "is not a complete gzip file"),
        (
            "a.tsv.gz",
            gzip.compress(b"text\tlabel\na\t1\n", mtime=0)[:-9],
            "is not a complete gzip file",
        ),
        ("a.xlsx", "PK", "has to end in .tsv, .csv, .json, .jsonl, .conll, .bio, .iob, .parquet"),
    ],
)
def test_files_that_cannot_be_read(
    write: Write, name: str, content: str | bytes, words: str
) -> None:
    source = TableSource(path=str(write(name, content)))
    with pytest.raises(DataError) as caught:
        read_all(source)
    message = str(caught.value)
    assert message.startswith(source.path)
    assert words in message
    assert "\n" not in message


@pytest.mark.parametrize("document", [{"test": []}, []])
def test_a_field_that_is_not_there(write: Write, document: object) -> None:
    source = TableSource(path=str(write("a.json", json.dumps(document))), field="train")
    with pytest.raises(DataError, match="has no field 'train'"):
        read_all(source)


def test_a_field_that_is_no_array(write: Write) -> None:
    source = TableSource(path=str(write("a.json", '{"train": 5}')), field="train")
    with pytest.raises(DataError, match="holds 5, not an array of rows"):
        read_all(source)


@pytest.mark.parametrize("suffix", [*TableSource.formats, ".tsv.gz"])
def test_missing_files(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(DataError, match="there is no such file"):
        read_all(TableSource(path=str(tmp_path / f"a{suffix}")))


@pytest.mark.parametrize("suffix", TableSource.formats)
def test_folders_that_are_named_like_files(tmp_path: Path, suffix: str) -> None:
    folder = tmp_path / f"a{suffix}"
    folder.mkdir()
    with pytest.raises(DataError, match="cannot be read"):
        read_all(TableSource(path=str(folder)))


def test_a_column_that_is_not_there(write: Write) -> None:
    table = read_all(TableSource(path=str(write("a.csv", "text;label\na;1\n"))))
    with pytest.raises(DataError, match="has no column 'text', only 'text;label'"):
        table.column("text")


@pytest.mark.parametrize(
    ("rows", "expected"),
    [("::3", "adg"), ("not ::3", "bcef"), (":2", "ab"), ("-2:", "fg"), ("not 1:6:2", "aceg")],
)
@pytest.mark.parametrize("ending", [".tsv", ".jsonl", ".parquet"])
def test_some_rows(rows: str, expected: str, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{ending}"
    table = {"text": list("abcdefg"), "label": list(range(7))}
    if ending == ".parquet":
        pyarrow.parquet.write_table(pyarrow.table(table), path)
    else:
        pairs = list(zip(*table.values(), strict=True))
        lines = [f"{text}\t{label}" for text, label in [("text", "label"), *pairs]]
        if ending == ".jsonl":
            lines = [json.dumps({"text": text, "label": label}) for text, label in pairs]
        path.write_text("\n".join(lines))
    found = read_all(TableSource(path=str(path), rows=rows))
    assert "".join(str(text) for text in found.column("text")) == expected
    first = 2 if ending == ".tsv" else 1
    places = ["abcdefg".index(one) + first for one in expected]
    assert list(found.numbers) == places


@pytest.mark.parametrize("rows", ["3", "::0", "::-1", "not", "a:b", "not not :3"])
def test_rows_that_are_none(rows: str) -> None:
    with pytest.raises(ValidationError, match="rows"):
        TableSource(path="a.tsv", rows=rows)
    with pytest.raises(ValidationError, match="rows is for files"):
        TableSource(path="my/data", rows="::3")
