"""Model inputs of any lengths: nothing is lost, reordered or padded where it shows."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fineprune.report.rows import Inputs, Rows, outputs_of

IDS = st.lists(st.lists(st.integers(0, 30521), min_size=1, max_size=40), min_size=1, max_size=30)


def rows_of(ids: list[list[int]]) -> Rows:
    return Rows({"input_ids": ids, "attention_mask": [[1] * len(row) for row in ids]})


@given(IDS)
def test_read_of_write(ids: list[list[int]]) -> None:
    rows = rows_of(ids)
    with tempfile.TemporaryDirectory() as folder:
        rows.write(Path(folder) / "rows.npz")
        assert Rows.read(Path(folder) / "rows.npz") == rows


@given(IDS, st.one_of(st.none(), st.integers(1, 9)))
def test_batches_hold_every_row_once(ids: list[list[int]], size: int | None) -> None:
    batches = list(rows_of(ids).batches(size))
    assert sorted(place for batch in batches for place in batch) == list(range(len(ids)))
    assert all(len(batch) == (size or len(ids)) for batch in batches[:-1])
    lengths = [len(ids[place]) for batch in batches for place in batch]
    assert lengths == sorted(lengths, reverse=True)


@given(IDS)
def test_outputs_stand_in_the_order_of_rows(ids: list[list[int]]) -> None:
    def sums(inputs: Inputs) -> list[NDArray[np.float32]]:
        kept = inputs["input_ids"] * inputs["attention_mask"]
        return [kept.sum(1, keepdims=True).astype(np.float32)]

    [found] = outputs_of(sums, rows_of(ids))
    assert found.tolist() == [[sum(row)] for row in ids]


@given(IDS)
def test_outputs_of_tokens_end_with_their_row(ids: list[list[int]]) -> None:
    def tokens(inputs: Inputs) -> list[NDArray[np.float32]]:
        kept = (inputs["input_ids"] * inputs["attention_mask"]).astype(np.float32)
        return [kept, -kept]

    first, second = outputs_of(tokens, rows_of(ids))
    longest = max(map(len, ids))
    assert first.tolist() == [[*row, *[0] * (longest - len(row))] for row in ids]
    assert second.tolist() == (-first).tolist()


def test_columns_of_a_data_set() -> None:
    features = Dataset.from_dict({"input_ids": [[5], [6, 7]], "labels": [0, 1]})
    assert Rows.of(features) == rows_of([[5], [6, 7]])
    typed = Dataset.from_dict({"input_ids": [[5]], "token_type_ids": [[1]]})
    assert list(Rows.of(typed).columns) == ["input_ids", "attention_mask", "token_type_ids"]


def test_picked_rows() -> None:
    assert rows_of([[1], [2, 3], [4]]).pick([2, 1]) == rows_of([[4], [2, 3]])


def test_inputs_are_padded_with_zeros() -> None:
    inputs = rows_of([[1], [2, 3]]).inputs([0, 1])
    assert inputs["input_ids"].tolist() == [[1, 0], [2, 3]]
    assert inputs["attention_mask"].tolist() == [[1, 0], [1, 1]]
    assert inputs["input_ids"].dtype == np.int64


def test_a_hostile_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", lengths=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        Rows.read(tmp_path / "rows.npz")
