"""Delimited files as pandas writes them, and how a source says which quoting they have."""

from pathlib import Path

import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fineprune.errors import DataError
from fineprune.tasks.data import BrokenRow, Table, TableSource, read, refuse

TEXTS = ['He said "no".', "plain", "a\ttab", "two\nlines", '""']


def write(path: Path, texts: list[str], separator: str = "\t", **options: object) -> Path:
    frame = pandas.DataFrame({"text": texts, "label": ["x"] * len(texts)})
    frame.to_csv(path, sep=separator, index=False, **options)
    return path


def read_all(source: TableSource, broken: list[BrokenRow] | None = None) -> Table:
    return read(source, {"text", "label"}, refuse if broken is None else broken.append)


@pytest.mark.parametrize(("name", "separator"), [("a.tsv", "\t"), ("a.csv", ",")])
def test_what_pandas_writes_is_read(tmp_path: Path, name: str, separator: str) -> None:
    path = write(tmp_path / name, TEXTS, separator)
    table = read_all(TableSource(path=str(path), quoting="minimal"))
    assert list(table.column("text")) == TEXTS
    assert table.notes == ()


@given(texts=st.lists(st.text('a" \t,\n'), min_size=1, max_size=5))
def test_any_text_that_pandas_writes_is_read(
    texts: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = write(tmp_path_factory.mktemp("tsv") / "a.tsv", texts)
    table = read_all(TableSource(path=str(path), quoting="minimal"))
    assert list(table.column("text")) == texts


def test_a_quoted_file_that_is_read_without_quoting_is_noted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", ["plain", 'He said "no".', 'and "yes"'])
    table = read_all(TableSource(path=str(path)))
    assert list(table.column("text")) == ["plain", '"He said ""no""."', '"and ""yes"""']
    (note,) = table.notes
    assert note.startswith(f"{path}: double quotes around 2 fields, the first on line 3, ")
    assert "set quoting: minimal" in note


def test_the_key_silences_the_note(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", ['He said "no".'])
    table = read_all(TableSource(path=str(path), quoting="none"))
    assert list(table.column("text")) == ['"He said ""no""."']
    assert table.notes == ()


@pytest.mark.parametrize("contradiction", ['a "b" c', '"open', 'shut"', '"a" b', '"a"b"'])
def test_quotes_that_no_writer_leaves_mean_that_quotes_are_text(
    tmp_path: Path, contradiction: str
) -> None:
    path = tmp_path / "a.tsv"
    path.write_text(f'text\tlabel\n"so"\tx\n{contradiction}\ty\n')
    assert read_all(TableSource(path=str(path))).notes == ()


@pytest.mark.parametrize("text", ["a\ttab", "two\nlines"])
def test_a_row_that_quotes_hold_together_names_the_key(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "a.tsv", ["plain", text])
    with pytest.raises(DataError, match=r"line 3: . fields where 2 .* set quoting: minimal"):
        read_all(TableSource(path=str(path)))
    broken: list[BrokenRow] = []
    read_all(TableSource(path=str(path)), broken)
    assert "set quoting: minimal" in broken[0].reason


def test_a_quoted_header_names_the_key(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", ["plain"], quoting=1)  # csv.QUOTE_ALL
    with pytest.raises(DataError, match=r'has the column "text", .* set quoting: minimal'):
        read_all(TableSource(path=str(path)))
    table = read_all(TableSource(path=str(path), quoting="minimal"))
    assert list(table.column("text")) == ["plain"]


def test_csv_may_be_without_quoting(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('text,label\n5" pipe,x\n')
    table = read_all(TableSource(path=str(path), quoting="none"))
    assert list(table.column("text")) == ['5" pipe']
