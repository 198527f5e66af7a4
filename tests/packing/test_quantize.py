from math import erf, exp, pi, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from fineprune.packing.quantize import OPTIMAL_STEPS, optimal_step, quantize, to_tensor
from fineprune.packing.tensors import EIGHTHS

floats = st.floats(-(2.0**100), 2.0**100, width=32, allow_subnormal=True)
matrices = npst.arrays(np.float32, npst.array_shapes(min_dims=2, max_dims=2), elements=floats)
quantizing = st.integers(2, 8)


def squared_error(step: float, levels: int) -> float:
    """Of a standard normal variable quantized to so many levels around zero, no level at zero."""

    def moments(a: float, b: float) -> tuple[float, float, float]:
        """Integrals of the density times 1, x and x**2 from a to b."""
        at_a, at_b = (exp(-x * x / 2) / sqrt(2 * pi) for x in (a, b))
        mass = (erf(b / sqrt(2)) - erf(a / sqrt(2))) / 2
        return mass, at_a - at_b, mass + a * at_a - b * at_b

    error = 0.0
    for level in range(levels // 2):
        low, high = level * step, (level + 1) * step if level < levels // 2 - 1 else 40.0
        mass, first, second = moments(low, high)
        value = (level + 0.5) * step
        error += 2 * (second - 2 * value * first + value * value * mass)
    return error


@pytest.mark.parametrize("bits", OPTIMAL_STEPS)
def test_steps_are_optimal_for_a_normal_variable(bits: int) -> None:
    steps = np.arange(1, 15_000) / 10_000 if bits < 6 else np.arange(100, 1500) / 10_000
    best = min(steps, key=lambda step: squared_error(float(step), 2**bits))
    assert OPTIMAL_STEPS[bits] == pytest.approx(best, abs=1.5e-4)


@given(matrices, quantizing)
def test_no_weight_moves_by_more_than_half_its_scale(
    matrix: np.ndarray[tuple[int, int], np.dtype[np.float32]], bits: int
) -> None:
    codes, scales = quantize(matrix, bits)
    per_row = scales.per_row().astype(np.float64)[:, None]
    assert np.abs(codes.astype(int)).max() <= 127
    assert (np.abs(codes * per_row - matrix) <= per_row * (0.5 + 1e-4)).all()
    assert (codes[matrix == 0] == 0).all()


def test_one_step_serves_all_rows_but_those_with_an_outlier() -> None:
    matrix = np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32)
    matrix[5, 7] = 40
    _, scales = quantize(matrix, 4)
    assert not scales.exponents.any()  # codes of 4 bits have room in int8
    codes, scales = quantize(matrix, 8)
    assert scales.exponents[5] > 0
    assert (scales.exponents > 0).mean() < 0.1
    assert codes[5, 7] > 116  # the next smaller scale would not do: 127 / 2**(1/8) = 116.5


def test_the_step_is_that_of_the_weights_that_are_kept() -> None:
    matrix = np.zeros((10, 10), np.float32)
    matrix[0] = 3
    assert optimal_step(matrix, 8) == pytest.approx(3 * 0.0308, rel=1e-3)
    assert optimal_step(np.zeros((2, 2), np.float32), 8) == 1


def test_the_step_does_not_hang_on_the_order_of_summation() -> None:
    matrix = np.random.default_rng(1).standard_normal((100, 300)).astype(np.float32)
    shuffled = np.random.default_rng(2).permutation(matrix.ravel()).reshape(300, 100)
    assert optimal_step(matrix, 8) == optimal_step(shuffled, 8)


@pytest.mark.parametrize("scale", [1e-45, 1e-38, 1e30, 1e38, 3e38])
def test_weights_at_the_ends_of_the_range(scale: float) -> None:
    matrix = np.full((2, 3), scale, np.float32)
    tensor = to_tensor(matrix, 8)
    assert np.isfinite(tensor.to_array()).all()
    if scale > 1e-37:
        np.testing.assert_allclose(tensor.to_array(), matrix, rtol=0.02)


def test_eighths_of_an_octave_are_the_same_on_every_machine() -> None:
    expected = [0x3F800000, 0x3F8B95C2, 0x3F9837F0, 0x3FA5FED7]
    expected += [0x3FB504F3, 0x3FC5672A, 0x3FD744FD, 0x3FEAC0C7]
    np.testing.assert_array_equal(EIGHTHS.view(np.uint32), expected)


@given(matrices)
def test_32_bits_change_nothing_but_the_sign_of_zero(
    matrix: np.ndarray[tuple[int, int], np.dtype[np.float32]],
) -> None:
    array = to_tensor(matrix, 32).to_array()
    np.testing.assert_array_equal(array, matrix)
    assert not np.signbit(array[array == 0]).any()


def test_16_bits_round_to_half_precision() -> None:
    matrix = np.array([[1 / 3, -2 / 3], [0, 65504]], np.float32)
    np.testing.assert_array_equal(
        to_tensor(matrix, 16).to_array(), matrix.astype(np.float16).astype(np.float32)
    )


def test_what_half_precision_cannot_hold_keeps_32_bits() -> None:
    matrix = np.array([[1 / 3, 70_000]], np.float32)
    assert to_tensor(matrix, 16).values.dtype == np.float32


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8])
def test_integers_stay_as_they_are(dtype: type) -> None:
    array: np.ndarray = np.arange(6).reshape(2, 3).astype(dtype)
    tensor = to_tensor(array, 2)
    np.testing.assert_array_equal(tensor.to_array(), array)
    assert tensor.to_array().dtype == dtype
