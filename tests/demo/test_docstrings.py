import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fineprune.demo import docstrings as module
from fineprune.demo.docstrings import (
    DocstringDataset,
    Example,
    docstrings,
    library_docstrings,
    most_frequent_labels,
    split,
    summary,
    unambiguous,
    write_docstring_dataset,
)
from fineprune.errors import DataError

Row = dict[str, str]


def rows(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def words(text: str) -> str:
    """An independent idea of equal texts: letters and digits alone, whatever their case."""
    return "".join(character for character in text.casefold() if character.isalnum())


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A small source tree: two documented modules, and what must not be read."""
    files = {
        "alpha/__init__.py": '"""A package that sorts the mail of others."""',
        "alpha/deep/part.py": "\n".join(
            f'def f{n}():\n    """Deliver letter number {n} to its reader."""' for n in range(30)
        ),
        "_pydecimal.py": "\n".join(
            f'class C{n}:\n    """Round value number {n} to the nearest even digit."""'
            for n in range(30)
        ),
        "alpha/tests/test_part.py": '"""Tests that must not be read at all."""',
        "test/regrtest.py": '"""Also tests that must not be read at all."""',
        "idlelib/editor.py": '"""An editor that must not be read at all."""',
        "site-packages/other.py": '"""Somebody else\'s code, not to be read at all."""',
    }
    for name, source in files.items():
        path = tmp_path / "library" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return tmp_path / "library"


@pytest.fixture(scope="module")
def standard(tmp_path_factory: pytest.TempPathFactory) -> DocstringDataset:
    return write_docstring_dataset(tmp_path_factory.mktemp("standard"))


def test_small_library_is_read_whole(library: Path, tmp_path: Path) -> None:
    dataset = write_docstring_dataset(tmp_path / "new" / "folder", library)
    train, validation = rows(dataset.train), rows(dataset.validation)
    assert (len(train), len(validation)) == (dataset.train_examples, dataset.validation_examples)
    expected = (
        {("A package that sorts the mail of others.", "alpha")}
        | {(f"Deliver letter number {n} to its reader.", "alpha") for n in range(30)}
        | {(f"Round value number {n} to the nearest even digit.", "decimal") for n in range(30)}
    )
    assert {(row["text"], row["label"]) for row in train + validation} == expected
    assert len(train) + len(validation) == len(expected)
    assert dataset.labels == ("alpha", "decimal")
    assert not list(dataset.train.parent.glob(".*")), "a temporary file was left"


def test_same_library_gives_the_same_bytes(library: Path, tmp_path: Path) -> None:
    first, second = (write_docstring_dataset(tmp_path / name, library) for name in ("a", "b"))
    assert first.train.read_bytes() == second.train.read_bytes()
    assert first.validation.read_bytes() == second.validation.read_bytes()


def test_split_of_a_text_does_not_depend_on_the_rest(library: Path, tmp_path: Path) -> None:
    before = write_docstring_dataset(tmp_path / "before", library)
    (library / "aaa.py").write_text(
        '"""A module that sorts before all others."""', encoding="utf-8"
    )
    after = write_docstring_dataset(tmp_path / "after", library)
    for old, new in ((before.train, after.train), (before.validation, after.validation)):
        kept = [row for row in rows(new) if row["label"] != "aaa"]
        assert kept == rows(old)


def test_library_without_sources_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="too few for a data set") as caught:
        write_docstring_dataset(tmp_path / "out", tmp_path / "missing")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_docstrings_of_all_kinds_at_any_depth() -> None:
    source = b'''"""Module."""
class Outer:
    """Class."""
    class Inner:
        async def method(self):
            """Coroutine."""
            def nested():
                """Nested."""
    value = 1
    """Not a docstring."""
def bare(): ...
'''
    assert sorted(docstrings(source)) == ["Class.", "Coroutine.", "Module.", "Nested."]


@pytest.mark.parametrize(
    "source",
    [
        b"print 'Python 2'",
        b"\x00\x01\x02",
        b"\xff\xfe not UTF-8",
        b"# coding: no-such-encoding\n",
        b"",
    ],
    ids=["syntax", "binary", "bytes", "encoding", "empty"],
)
def test_a_file_that_does_not_parse_has_no_docstrings(source: bytes) -> None:
    assert list(docstrings(source)) == []


def test_declared_encoding_is_honoured() -> None:
    source = '# -*- coding: latin-1 -*-\n"""Größe."""'.encode("latin-1")
    assert list(docstrings(source)) == ["Größe."]


def test_doubtful_escape_is_not_our_warning() -> None:
    assert list(docstrings(rb'"""A regex \d."""')) == [r"A regex \d."]


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        ("Return the sum.", "Return the sum."),
        ("Return the sum\nof all values.\n\nMore.", "Return the sum of all values."),
        ("Return the sum.\n   \nMore.", "Return the sum."),
        ("Return the sum.\n>>> sum([1])\n1", "Return the sum."),
        ("Return the sum.\n\n    >>> sum([1])\n    1", "Return the sum."),
        (">>> sum([1])\n1", ""),
        ("Shift left: x >>> y", "Shift left: x >>> y"),
        ("", ""),
    ],
)
def test_summary(docstring: str, expected: str) -> None:
    assert summary(docstring) == expected


def test_texts_that_cannot_be_learned_from_are_left_out() -> None:
    kept = Example("Deliver all letters to their readers.", "mailbox")
    examples = [
        kept,
        Example("deliver ALL letters, to their readers", "mailbox"),  # the same words again
        Example("Return the string representation.", "email"),  # two modules say so
        Example("Return the string representation", "http"),
        Example("Nineteen letters ab", "http"),
        Example("Base class of all Email messages.", "email"),  # names its module
    ]
    assert unambiguous(examples) == [kept]


def test_label_inside_of_a_longer_word_does_not_count_as_named() -> None:
    example = Example("Raised when a priority is not known.", "io")
    assert unambiguous([example]) == [example]


def test_most_frequent_labels_break_ties_by_name() -> None:
    examples = [Example(f"text {n}", label) for n, label in enumerate("cabbca")]
    examples.append(Example("one more", "c"))
    kept = most_frequent_labels(examples, 2)
    assert {example.label for example in kept} == {"c", "a"}
    assert kept == [example for example in examples if example.label != "b"]


@given(st.lists(st.text(), unique_by=words))
def test_split_is_a_partition_that_knows_only_the_text(texts: list[str]) -> None:
    examples = [Example(text, "label") for text in texts]
    validation, train = split(examples)
    assert sorted(validation + train, key=lambda example: example.text) == sorted(
        examples, key=lambda example: example.text
    )
    assert split(examples[::-1]) == (validation, train)
    assert split(validation) == (validation, [])
    assert split(train) == ([], train)


def test_split_holds_its_share() -> None:
    # 4 standard deviations of a binomial distribution with n = 10,000 and p = 0.2 are 160.
    validation, _ = split([Example(f"text number {n}", "label") for n in range(10_000)])
    assert abs(len(validation) - 2_000) < 160


def test_standard_library_gives_a_sane_data_set(standard: DocstringDataset) -> None:
    assert 2_000 < standard.train_examples < 6_000
    assert 0.15 < standard.validation_examples / standard.train_examples < 0.35
    assert len(standard.labels) == module.LABELS
    train, validation = rows(standard.train), rows(standard.validation)
    assert {row["label"] for row in train} == set(standard.labels)
    assert {row["label"] for row in validation} == set(standard.labels)
    assert min(sum(row["label"] == label for row in train) for label in standard.labels) >= 30


def test_standard_library_texts_stand_in_one_set_once(standard: DocstringDataset) -> None:
    everything = rows(standard.train) + rows(standard.validation)
    assert len({row["text"].casefold() for row in everything}) == len(everything)


def test_standard_library_texts_are_clean(standard: DocstringDataset) -> None:
    for row in rows(standard.train) + rows(standard.validation):
        assert set(row) == {"text", "label"}
        assert len(row["text"]) >= module.SHORTEST_TEXT
        assert row["text"] == " ".join(row["text"].split())
        assert f" {row['label']} " not in f" {row['text'].lower()} "


def test_nothing_is_imported(library: Path) -> None:
    (library / "alpha" / "trap.py").write_text("raise SystemExit('imported')", encoding="utf-8")
    assert len(list(library_docstrings(library))) == 61
