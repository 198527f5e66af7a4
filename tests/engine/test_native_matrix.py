"""Weight matrices of the binding: products against float64, and arguments that do not fit."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fineprune.engine import _native

INSTRUCTION_SETS = _native.instruction_sets()


def to_sparse(
    weight: NDArray[Any],
    scales: NDArray[np.float32] | None = None,
    precision: str = "float32",
    instruction_set: str = INSTRUCTION_SETS[0],
) -> _native.Matrix:
    rows, columns = np.nonzero(weight)
    return _native.Matrix.sparse(
        weight.shape[0],
        weight.shape[1],
        np.searchsorted(rows, np.arange(len(weight) + 1)).astype(np.int32),
        columns.astype(np.uint16),
        weight[rows, columns],
        scales,
        precision=precision,
        instruction_set=instruction_set,
    )


def to_dense(
    weight: NDArray[Any],
    scales: NDArray[np.float32] | None = None,
    precision: str = "float32",
    instruction_set: str = INSTRUCTION_SETS[0],
) -> _native.Matrix:
    return _native.Matrix.dense(
        weight.shape[0],
        weight.shape[1],
        weight,
        scales,
        precision=precision,
        instruction_set=instruction_set,
    )


of_any_size = given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 150),
    columns=st.integers(1, 900),
    tokens=st.integers(1, 140),
    density=st.sampled_from([0.0, 0.01, 0.06, 0.5, 1.0]),
)

MAKERS: list[Callable[..., _native.Matrix]] = [to_sparse, to_dense]


def random_weight(
    random: np.random.Generator, rows: int, columns: int, density: float
) -> NDArray[np.float32]:
    kept = random.random((rows, columns)) < density
    return (random.standard_normal((rows, columns)) * kept).astype(np.float32)


@pytest.mark.parametrize("instruction_set", INSTRUCTION_SETS)
@pytest.mark.parametrize("make", MAKERS)
@settings(deadline=None, max_examples=25)
@of_any_size
def test_product_is_that_of_float64(
    make: Callable[..., _native.Matrix],
    instruction_set: str,
    seed: int,
    rows: int,
    columns: int,
    tokens: int,
    density: float,
) -> None:
    random = np.random.default_rng(seed)
    weight = random_weight(random, rows, columns, density)
    x = random.standard_normal((tokens, columns)).astype(np.float32)

    product = make(weight, instruction_set=instruction_set).multiply(x)

    assert product.shape == (tokens, rows)
    assert product.dtype == np.float32
    bound = np.abs(x).astype(np.float64) @ np.abs(weight).T.astype(np.float64)
    error = np.abs(product - x.astype(np.float64) @ weight.T.astype(np.float64))
    assert np.all(error <= 1e-5 * bound + 1e-30)


@pytest.mark.skipif(not _native.has_bf16(), reason="this CPU has no bfloat16 instructions")
@pytest.mark.parametrize("make", MAKERS)
def test_bf16_product_rounds_inputs_only(make: Callable[..., _native.Matrix]) -> None:
    random = np.random.default_rng(0)
    weight = np.rint(random_weight(random, 70, 1601, 0.1) * 40).astype(np.float32)
    x = np.rint(random.standard_normal((67, 1601)) * 40).astype(np.float32)
    # Whole numbers up to 256 are exact in bfloat16, and sums of their products in float32.
    product = make(weight, precision="bf16").multiply(x)
    np.testing.assert_array_equal(product, x.astype(np.float64) @ weight.T.astype(np.float64))


@pytest.mark.parametrize("tokens", [1, 4, 20])
@pytest.mark.parametrize("make", MAKERS)
def test_codes_take_the_scale_of_their_row(
    make: Callable[..., _native.Matrix], tokens: int
) -> None:
    random = np.random.default_rng(1)
    codes = random.integers(-127, 128, (33, 50)).astype(np.int8)
    scales = random.random(33, dtype=np.float32)
    x = random.standard_normal((tokens, 50)).astype(np.float32)
    expected = x.astype(np.float64) @ (codes * scales[:, None].astype(np.float64)).T
    np.testing.assert_allclose(make(codes, scales).multiply(x), expected, atol=1e-3)


def test_not_a_number_stays_in_its_token_and_row() -> None:
    weight = np.eye(5, dtype=np.float32)
    x = np.ones((3, 5), np.float32)
    x[1, 2] = np.nan
    product = to_sparse(weight).multiply(x)
    assert np.argwhere(np.isnan(product)).tolist() == [[1, 2]]


def test_says_what_it_is() -> None:
    weight = random_weight(np.random.default_rng(2), 20, 30, 0.3)
    sparse, dense = to_sparse(weight), to_dense(weight)
    assert (sparse.rows, sparse.columns, sparse.kind) == (20, 30, "sparse")
    assert (dense.rows, dense.columns, dense.kind) == (20, 30, "dense")
    assert sparse.kept == np.count_nonzero(weight)
    assert dense.kept == 600
    assert sparse.nbytes >= 6 * sparse.kept
    assert dense.nbytes >= 4 * 600
    assert dense.seconds(17, 3) > 0.0


def test_columns_need_no_order_and_may_be_uint32() -> None:
    pointers, columns = np.array([0, 3], np.int32), np.array([4, 0, 2], np.uint32)
    values = np.array([1.0, 2.0, 3.0], np.float32)
    matrix = _native.Matrix.sparse(
        1, 5, pointers, columns, values, None, precision="float32", instruction_set="baseline"
    )
    x = np.array([[1, 10, 100, 1000, 10000]], np.float32)
    assert matrix.multiply(x).item() == 2 + 300 + 10000


GOOD: dict[str, Any] = {
    "rows": 2,
    "columns": 4,
    "row_pointers": np.array([0, 1, 3], np.int32),
    "column_indices": np.array([3, 0, 1], np.uint16),
    "values": np.array([1, 2, 3], np.float32),
    "scales": None,
    "precision": "float32",
    "instruction_set": "baseline",
}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"row_pointers": np.array([0, 3, 1], np.int32)}, "must not descend"),
        ({"row_pointers": np.array([1, 1, 3], np.int32)}, "first row pointer must be 0, got 1"),
        ({"row_pointers": np.array([0, 1, 4], np.int32)}, "number of values, 3, got 4"),
        ({"row_pointers": np.array([0, 1, 2**31 - 1], np.int32)}, "number of values"),
        ({"row_pointers": np.array([0, -1, 3], np.int32)}, "must not descend"),
        ({"row_pointers": np.array([0, 3], np.int32)}, "expected 3 row pointers, got 2"),
        ({"row_pointers": np.array([], np.int32)}, "expected 3 row pointers, got 0"),
        ({"row_pointers": np.array([0, 1, 3], np.int64)}, "row_pointers must be int32, got int64"),
        ({"row_pointers": np.zeros((1, 3), np.int32)}, "row_pointers must have 1 axis, got 2"),
        ({"column_indices": np.array([4, 0, 1], np.uint16)}, "column index 4 is outside of 4"),
        ({"column_indices": np.array([2**32 - 1, 0, 1], np.uint32)}, "is outside of 4 columns"),
        ({"column_indices": np.array([3, 0], np.uint16)}, "expected 3 column indices"),
        ({"column_indices": np.array([3, 0, 1], np.int32)}, "must be uint16 or uint32, got int32"),
        ({"values": np.array([1, 2, 3], np.float64)}, "values must be float32 or int8"),
        ({"values": np.ones(6, np.float32)[::2]}, "values must be C-contiguous"),
        ({"values": np.frombuffer(bytes(13), np.float32, 3, offset=1)}, "values must be aligned"),
        ({"scales": np.ones(3, np.float32)}, "one scale a row, got 3 for 2 rows"),
        ({"scales": np.ones(2, np.float64)}, "scales must be float32, got float64"),
        ({"rows": 0, "row_pointers": np.zeros(1, np.int32)}, "at least one row"),
        ({"columns": -1}, "at least one row and one column"),
        ({"precision": "float16"}, 'precision must be "float32", "bf16" or "int8", got "float16"'),
        ({"precision": "bf16"}, 'no instructions on "baseline"'),
        ({"instruction_set": "sse9"}, '"sse9" is not among those that this CPU runs'),
    ],
)
def test_refuses_a_sparse_matrix_that_does_not_fit(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _native.Matrix.sparse(**{**GOOD, **wrong})


def test_refuses_a_dense_matrix_of_another_size() -> None:
    with pytest.raises(ValueError, match="expected 6 values, got 5"):
        _native.Matrix.dense(
            2, 3, np.ones(5, np.float32), None, precision="float32", instruction_set="baseline"
        )


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.ones((2, 5), np.float32), r"shape \(tokens, 4\), got \(2, 5\)"),
        (np.ones(4, np.float32), "x must have 2 axes, got 1"),
        (np.ones((2, 4), np.float64), "x must be float32, got float64"),
        (np.ones((2, 8), np.float32)[:, ::2], "x must be C-contiguous"),
    ],
)
def test_refuses_inputs_that_do_not_fit(x: NDArray[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _native.Matrix.sparse(**GOOD).multiply(x)


def test_no_tokens_give_no_rows() -> None:
    assert _native.Matrix.sparse(**GOOD).multiply(np.ones((0, 4), np.float32)).shape == (0, 2)


def test_refuses_to_measure_nothing() -> None:
    with pytest.raises(ValueError, match="tokens and repeats must be at least 1, got 0 and 5"):
        _native.Matrix.sparse(**GOOD).seconds(0, 5)
