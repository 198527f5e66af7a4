"""What was written in each format is read again, character by character."""

import csv
import gzip
import json
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fineprune.tasks.data import TableSource, read, refuse

Rows = list[tuple[str, str]]
Write = Callable[[Path, Rows], None]

NAMES = ("text", "label")


def write_tsv(path: Path, rows: Rows) -> None:
    lines = ["\t".join(row) + "\n" for row in (NAMES, *rows)]
    path.write_text("".join(lines), encoding="utf-8", newline="")


def write_csv(path: Path, rows: Rows) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([NAMES, *rows])


def write_csv_with_mark(path: Path, rows: Rows) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([NAMES, *rows])


def write_json(path: Path, rows: Rows) -> None:
    objects = [dict(zip(NAMES, row, strict=True)) for row in rows]
    path.write_text(json.dumps(objects, ensure_ascii=False, indent=1), encoding="utf-8")


def write_json_lines(path: Path, rows: Rows) -> None:
    lines = [json.dumps(dict(zip(NAMES, row, strict=True)), ensure_ascii=False) for row in rows]
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8", newline="")


def write_parquet(path: Path, rows: Rows) -> None:
    columns = zip(*rows, strict=True)
    pyarrow.parquet.write_table(pyarrow.table(dict(zip(NAMES, columns, strict=True))), path)


def compressed(write: Write) -> Write:
    def write_compressed(path: Path, rows: Rows) -> None:
        plain = path.with_suffix("")
        write(plain, rows)
        path.write_bytes(gzip.compress(plain.read_bytes()))

    return write_compressed


# No surrogates: they are not characters. What a format cannot hold is left out below.
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"])) | st.text("\"',;\\ ab\u00e9\u2028")
ONE_LINE = ANY_TEXT.map(lambda text: "".join(c for c in text if c not in "\t\r\n"))


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes paths of files that are not there."""
    folder, numbers = tmp_path_factory.mktemp("files"), count()
    return lambda ending: folder / f"{next(numbers)}{ending}"


FORMATS = [
    pytest.param(write_tsv, ".tsv", ONE_LINE, id="tsv"),
    pytest.param(compressed(write_tsv), ".TSV.gz", ONE_LINE, id="tsv.gz"),
    pytest.param(write_csv, ".csv", ANY_TEXT, id="csv"),
    pytest.param(write_csv_with_mark, ".csv", ANY_TEXT, id="csv-with-mark"),
    pytest.param(write_json, ".json", ANY_TEXT, id="json"),
    pytest.param(write_json_lines, ".jsonl", ANY_TEXT, id="jsonl"),
    pytest.param(compressed(write_json_lines), ".jsonl.gz", ANY_TEXT, id="jsonl.gz"),
    pytest.param(write_parquet, ".parquet", ANY_TEXT, id="parquet"),
]


@pytest.mark.parametrize(("write", "ending", "texts"), FORMATS)
@given(data=st.data())
def test_text_comes_back(
    fresh: Callable[[str], Path],
    write: Write,
    ending: str,
    texts: st.SearchStrategy[str],
    data: st.DataObject,
) -> None:
    rows = data.draw(st.lists(st.tuples(texts, texts), min_size=1, max_size=8))
    path = fresh(ending)
    write(path, rows)
    table = read(TableSource(path=str(path)), {"text", "label"}, refuse)
    assert table.found == NAMES
    assert list(zip(table.column("text"), table.column("label"), strict=True)) == rows
    assert len(table) == len(rows)


@pytest.mark.parametrize(("write", "ending", "texts"), FORMATS)
def test_only_what_is_wanted_is_kept(
    fresh: Callable[[str], Path], write: Write, ending: str, texts: st.SearchStrategy[str]
) -> None:
    path = fresh(ending)
    write(path, [("a", "b")])
    table = read(TableSource(path=str(path)), {"label", "other"}, refuse)
    assert table.found == NAMES
    assert {name: list(table.column(name)) for name in table.columns} == {"label": ["b"]}
