"""Integer arithmetic: what it computes to the last bit, what it costs, and where it is not used."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray

from fineprune import Engine, SparseTensor
from fineprune.engine import _native, precision
from fineprune.engine.matrices import Arithmetic
from fineprune.engine.native import beside_int8, choose_instruction_set
from fineprune.engine.plan import Timings
from fineprune.engine.precision import LinearTensor, ModelPlan, SlowPrecisionWarning
from fineprune.engine.rounding import LARGEST_ERROR, int8_error
from fineprune.packing import Scales
from tests.engine.test_native_matrix import INSTRUCTION_SETS, of_any_size, to_dense, to_sparse
from tests.engine.zoo import ARCHITECTURES, HEADS, build, save_packed

Floats = NDArray[np.float32]


def codes_of(x: Floats) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Codes of each token, `(tokens, columns)`, their steps and their lowest numbers."""
    low, high = x.min(axis=1), x.max(axis=1)
    span = (high - low)[:, None]
    scaled = (x - low[:, None]) * (np.float32(255) / np.maximum(span, np.float32(1e-30)))
    return np.rint(scaled).astype(np.int64), (high - low) / np.float32(255), low


def random_codes(seed: int, rows: int, columns: int, density: float) -> NDArray[np.int8]:
    random = np.random.default_rng(seed)
    kept = random.random((rows, columns)) < density
    return (random.integers(-127, 128, (rows, columns)) * kept).astype(np.int8)


@pytest.mark.parametrize("instruction_set", INSTRUCTION_SETS)
@pytest.mark.parametrize("make", [to_sparse, to_dense])
@settings(deadline=None, max_examples=25)
@of_any_size
def test_products_are_those_of_integers(
    make: Callable[..., _native.Matrix],
    instruction_set: str,
    seed: int,
    rows: int,
    columns: int,
    tokens: int,
    density: float,
) -> None:
    weight = random_codes(seed, rows, columns, density)
    random = np.random.default_rng(seed)
    scales = random.uniform(0.5, 1.5, rows).astype(np.float32)
    x = random.normal(0.3, 2.0, (tokens, columns)).astype(np.float32)
    found = make(weight, scales, "int8", instruction_set).multiply(x)
    codes, steps, lows = codes_of(x)
    products = (codes @ weight.T.astype(np.int64)) * steps[:, None].astype(np.float64)
    rest = lows[:, None].astype(np.float64) * weight.sum(axis=1, dtype=np.int64)
    expected = (products + rest) * scales
    size = 1 + (np.abs(products) + np.abs(rest)) * scales
    assert np.all(np.abs(found - expected) <= 1e-6 * size)


@pytest.mark.parametrize("instruction_set", INSTRUCTION_SETS)
@pytest.mark.parametrize("make", [to_sparse, to_dense])
@pytest.mark.parametrize("tokens", [1, 16, 31, 64, 100])
def test_integers_are_the_same_on_every_instruction_set(
    make: Callable[..., _native.Matrix], instruction_set: str, tokens: int
) -> None:
    # Numbers from 0 to 255 are their own codes; sums below 2^24 are exact in float32.
    weight = random_codes(1, 70, 300, 0.3)
    x = np.random.default_rng(2).integers(0, 256, (tokens, 300)).astype(np.float32)
    x[:, 0], x[:, 1] = 0, 255
    found = make(weight, np.ones(70, np.float32), "int8", instruction_set).multiply(x)
    np.testing.assert_array_equal(found, x.astype(np.int64) @ weight.T.astype(np.int64))


@pytest.mark.parametrize("instruction_set", INSTRUCTION_SETS)
def test_halves_are_rounded_to_even_codes_everywhere(instruction_set: str) -> None:
    x = np.array([[0.0, 255.0, 0.5, 1.5, 2.5, 253.5, 254.5, 100.5]], np.float32)
    matrix = to_dense(np.eye(8, dtype=np.int8), np.ones(8, np.float32), "int8", instruction_set)
    assert matrix.multiply(x).tolist() == [[0, 255, 0, 2, 2, 254, 254, 100]]


@pytest.mark.parametrize("make", [to_sparse, to_dense])
def test_weights_that_are_numbers_are_rounded_row_by_row(
    make: Callable[..., _native.Matrix],
) -> None:
    random = np.random.default_rng(3)
    weight = (random.standard_normal((9, 40)) * np.logspace(-3, 3, 9)[:, None]).astype(np.float32)
    weight[4] = 0
    steps = np.abs(weight).max(axis=1, keepdims=True) / np.float32(127)
    rounded = np.rint(np.divide(weight, steps, out=np.zeros_like(weight), where=steps > 0)) * steps
    found = make(weight, None, "int8").multiply(np.eye(40, dtype=np.float32))
    np.testing.assert_allclose(found.T, rounded, rtol=1e-5)


@pytest.mark.parametrize("make", [to_sparse, to_dense])
@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_reaches_its_row_or_its_token(
    make: Callable[..., _native.Matrix], odd: float
) -> None:
    weight = np.ones((3, 8), np.float32)
    x = np.random.default_rng(0).normal(size=(20, 8)).astype(np.float32)
    sound = make(weight, None, "int8").multiply(x)
    x[17, 3] = odd
    found = make(weight, None, "int8").multiply(x)
    assert not np.isfinite(found[17]).any()
    np.testing.assert_array_equal(np.delete(found, 17, 0), np.delete(sound, 17, 0))
    weight[1, 2] = odd
    found = make(weight, None, "int8").multiply(x)
    assert not np.isfinite(found[:, 1]).any()


@pytest.mark.parametrize("x", [np.zeros((3, 5)), np.full((3, 5), -7.25), np.full((3, 5), 1e-38)])
def test_a_token_whose_numbers_are_all_the_same_is_exact(x: NDArray[Any]) -> None:
    weight = np.arange(-10, 10, dtype=np.int8).reshape(4, 5)
    found = to_dense(weight, np.ones(4, np.float32), "int8").multiply(x.astype(np.float32))
    np.testing.assert_allclose(found, x @ weight.T, rtol=1e-6)


def test_sums_that_might_overflow_are_refused() -> None:
    columns = 65794
    with pytest.raises(ValueError, match="at most 65793 columns, got 65794"):
        to_dense(np.ones((1, columns), np.int8), np.ones(1, np.float32), "int8")
    with pytest.raises(ValueError, match="row 0 keeps 3 weights of 2 columns"):
        _native.Matrix.sparse(
            1,
            2,
            np.array([0, 3], np.int32),
            np.zeros(3, np.uint16),
            np.ones(3, np.int8),
            None,
            precision="int8",
            instruction_set="baseline",
        )
    most = to_dense(np.full((1, 65793), -128, np.int8), np.ones(1, np.float32), "int8")
    x = np.full((1, 65793), 255, np.float32)
    x[0, 0] = 0
    assert most.multiply(x).item() == pytest.approx(-128 * 255 * 65792, rel=1e-6)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("asked", ["int8", "fast"])
def test_models_say_almost_the_same(packed: Any, architecture: str, head: str, asked: Any) -> None:
    model = packed(architecture, head)
    ids = np.random.default_rng(0).integers(2, 50, (5, 33))
    mask = np.ones_like(ids)
    mask[1, 20:] = mask[3, 5:] = 0
    found = Engine(model.file, threads=2, precision=asked).run(ids, mask)
    for name, expected in model.expected(input_ids=ids, attention_mask=mask).items():
        there = np.isfinite(found[name]) & (mask[:, :, None] if found[name].ndim == 3 else True)
        there = np.broadcast_to(there, expected.shape).astype(bool)
        if name in ("start_logits", "end_logits"):
            there = there & (mask == 1)
        error = np.abs(found[name] - expected)[there].max()
        assert error <= 0.12 * np.abs(expected[there]).max()


@pytest.mark.parametrize("instruction_set", INSTRUCTION_SETS)
@pytest.mark.parametrize("bits", [4, 32])
def test_every_width_and_instruction_set(
    packed: Any, bits: int, instruction_set: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINEPRUNE_INSTRUCTION_SET", instruction_set)
    model = packed(bits=bits)
    ids = np.random.default_rng(0).integers(2, 50, (3, 20))
    engine = Engine(model.file, threads=1, precision="int8")
    assert {matrix.precision for matrix in engine.plan()} == {"int8"}
    expected = model.expected(input_ids=ids)["logits"]
    error = np.abs(engine.run(ids)["logits"] - expected).max()
    assert error <= 0.1 * np.abs(expected).max()


def test_a_matrix_that_int8_would_round_by_too_much_keeps_another_arithmetic(
    tmp_path: Any,
) -> None:
    model = build("bert", "sequence")
    norm = model.bert.encoder.layer[0].attention.output.LayerNorm
    norm.weight.data[:], norm.bias.data[3] = 0.01, 100  # one feature far away from all others
    file = save_packed(model, tmp_path / "model", "sequence").file
    plan = {matrix.name: matrix for matrix in Engine(file, 1, "int8").plan()}
    odd = plan["bert.encoder.layer.0.intermediate.dense.weight"]
    assert odd.precision == beside_int8(choose_instruction_set())
    assert odd.int8_error is not None
    assert odd.int8_error > LARGEST_ERROR
    assert "int8 would round by" in odd.reason
    assert {one.precision for name, one in plan.items() if name != odd.name} == {"int8"}


def test_the_error_is_what_rounding_costs() -> None:
    random = np.random.default_rng(0)
    weight, bias = random.uniform(0.5, 1.5, 400), random.normal(0, 0.1, 400)
    x = (random.standard_normal((500, 400)) * weight + bias).astype(np.float32)
    values = (random.standard_normal((100, 400)) * (random.random((100, 400)) < 0.1)).astype("f4")
    tensor = SparseTensor.of((100, 400), values, None)
    exact = x.astype(np.float64) @ values.T
    found = to_sparse(values, None, "int8").multiply(x)
    cost = np.sqrt(((found - exact) ** 2).mean() / (exact - exact.mean(axis=0)).var())
    norm = weight.astype(np.float32), bias.astype(np.float32)
    assert cost < int8_error(tensor, norm) < 2 * cost  # few tokens span as much as is supposed
    assert int8_error(tensor, None) < cost
    codes = SparseTensor.of(
        (100, 400),
        np.rint(values * 30).astype(np.int8),
        Scales(np.float32(1 / 30), np.zeros(100, np.uint8)),
    )
    assert int8_error(codes, None) == 0.0


def linears() -> list[LinearTensor]:
    weight = (np.random.default_rng(0).random((60, 80)) < 0.2).astype(np.float32)
    return [LinearTensor("weight", SparseTensor.of((60, 80), weight, None), None)]


class Timed:
    """A matrix that takes so long."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def seconds(self, tokens: int, repeats: int) -> float:
        return self._seconds


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, float]], None]:
    """Sets what matrices take, by arithmetic, dense and sparse alike."""

    def set_times(times: dict[str, float]) -> None:
        for kind in ("sparse", "dense"):
            monkeypatch.setattr(Arithmetic, kind, lambda self, tensor: Timed(times[self.precision]))
        monkeypatch.setattr(precision, "arithmetics", lambda name: ["float32", "bf16", "int8"])
        monkeypatch.setattr(precision, "beside_int8", lambda name: "bf16")
        monkeypatch.setattr(precision, "_warned", set())
        monkeypatch.setattr(precision, "_timings", lambda name: Timings())

    return set_times


@pytest.mark.parametrize(
    ("times", "chosen"),
    [
        ({"float32": 3.0, "bf16": 2.0, "int8": 1.0}, "int8"),
        ({"float32": 3.0, "bf16": 2.0, "int8": 1.9}, "bf16"),  # less than 1.1 times as fast
        ({"float32": 3.0, "bf16": 4.0, "int8": 1.0}, "int8"),
        ({"float32": 1.0, "bf16": 1.3, "int8": 1.2}, "float32"),
        ({"float32": 1.05, "bf16": 1.3, "int8": 1.0}, "float32"),
    ],
)
def test_fast_is_what_is_clearly_faster(
    timed: Callable[[dict[str, float]], None], times: dict[str, float], chosen: str
) -> None:
    timed(times)
    plan = ModelPlan("fast", "baseline", linears())
    assert plan.arithmetic.precision == chosen
    plan.make("weight", linears()[0].tensor)
    assert plan.planner.plans[0].precision == chosen


def test_a_slow_precision_is_said_once(timed: Callable[[dict[str, float]], None]) -> None:
    timed({"float32": 1.0, "bf16": 1.3, "int8": 0.5})
    with pytest.warns(SlowPrecisionWarning, match="'bf16' is slower than float32 on this CPU"):
        ModelPlan("bf16", "baseline", linears())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for asked in ("bf16", "int8", "float32", "fast"):
            ModelPlan(asked, "baseline", linears())


def test_loads_give_one_plan(tmp_path: Any) -> None:
    sizes = {"hidden_size": 384, "intermediate_size": 1536, "num_attention_heads": 6}
    file = save_packed(build("bert", "none", 0.1, **sizes), tmp_path / "model", "none").file
    plans = set()
    for _ in range(20):
        engine = Engine(file, threads=1, precision="fast")
        plans.add((engine.arithmetic, tuple((one.kind, one.precision) for one in engine.plan())))
    assert len(plans) == 1
