"""Functions of the binding that stand for themselves."""

import numpy as np
import pytest
import torch

from fineprune.engine import _native


def test_gelu_is_exact() -> None:
    x = np.random.default_rng(0).normal(0, 3, (40, 50)).astype(np.float32)
    expected = torch.nn.functional.gelu(torch.tensor(x, dtype=torch.float64)).numpy()
    np.testing.assert_array_max_ulp(_native.gelu(x), expected.astype(np.float32), maxulp=1)


def test_gelu_of_no_numbers() -> None:
    found = _native.gelu(np.array([[np.nan, np.inf, 0]], np.float32))
    np.testing.assert_array_equal(found, [[np.nan, np.inf, 0]])


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 1000])
def test_a_checksum_tells_every_change(size: int) -> None:
    array = np.random.default_rng(0).normal(size=size).astype(np.float32)
    before = _native.checksum(array)
    assert _native.checksum(array.copy()) == before
    found = {before, _native.checksum(np.append(array, np.float32(0)))}
    for place in range(size):
        changed = array.copy()
        changed.view(np.uint32)[place] ^= np.uint32(1 << place % 32)
        found.add(_native.checksum(changed))
    assert len(found) == size + 2
    if size > 1:
        assert _native.checksum(2 * array) not in found
        assert _native.checksum(array[::-1].copy()) not in found
