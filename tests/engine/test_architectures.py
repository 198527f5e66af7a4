"""Each architecture against transformers: any lengths, heads and holes, in every precision."""

from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fineprune import Engine
from fineprune.engine import _native
from fineprune.engine.native import INSTRUCTION_SET_VARIABLE, arithmetics
from tests.engine.test_engine import assert_equals_pytorch, tokens, uneven_mask
from tests.engine.zoo import ARCHITECTURES, build, save_packed

# Largest difference to PyTorch, relative to the largest output, of models far less tame than
# trained ones: those of BERT.
ROUNDING = {"bf16": 0.03, "int8": 0.12}

WITH_DISTANCES = ("deberta-v2", "modernbert", "mpnet")
"""Architectures whose attention knows how far tokens stand apart."""


def sizes_of(architecture: str, heads: int, head_size: int) -> dict[str, Any]:
    if architecture == "distilbert":
        return {"dim": heads * head_size, "n_heads": heads}
    return {"hidden_size": heads * head_size, "num_attention_heads": heads}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    heads=st.integers(1, 4),
    head_size=st.integers(1, 6).map(lambda half: 2 * half),
    lengths=st.lists(st.integers(1, 90), min_size=1, max_size=4),
    missing=st.sampled_from([0.0, 0.3]),
    density=st.sampled_from([0.1, 1.0]),
    seed=st.integers(0, 9),
)
def test_any_sizes(
    architecture: str,
    heads: int,
    head_size: int,
    lengths: list[int],
    missing: float,
    density: float,
    seed: int,
    tmp_path: Path,
) -> None:
    model = build(architecture, "none", density, **sizes_of(architecture, heads, head_size))
    packed = save_packed(model, Path(mkdtemp(dir=tmp_path)) / "model", "none")
    ids = tokens(len(lengths), max(lengths), seed)
    mask = np.arange(ids.shape[1]) < np.array(lengths)[:, None]
    mask[:, 1:] &= np.random.default_rng(seed).random(mask[:, 1:].shape) >= missing
    assert_equals_pytorch(packed, Engine(packed.file, threads=2), ids, mask.astype(np.int64))


@pytest.mark.parametrize("instruction_set", _native.instruction_sets())
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_precision(
    architecture: str, instruction_set: str, packed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(INSTRUCTION_SET_VARIABLE, instruction_set)
    model = packed(architecture, "token")
    ids = tokens(4, 70)
    mask = uneven_mask(ids)
    expected = model.expected(input_ids=ids, attention_mask=mask)["logits"]
    for precision in set(arithmetics(instruction_set)) & ROUNDING.keys():
        found = Engine(model.file, threads=2, precision=precision).run(ids, mask)["logits"]
        difference = np.abs(found - expected)[mask == 1].max()
        assert difference <= ROUNDING[precision] * np.abs(expected[mask == 1]).max(), precision


@pytest.mark.parametrize("instruction_set", _native.instruction_sets())
@pytest.mark.parametrize("architecture", WITH_DISTANCES)
def test_far_apart(
    architecture: str, instruction_set: str, packed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Farther than the largest distance that is told apart, with holes and without."""
    monkeypatch.setenv(INSTRUCTION_SET_VARIABLE, instruction_set)
    model = packed(architecture, "none")
    engine = Engine(model.file, threads=2)
    ids = tokens(2, 400)
    assert_equals_pytorch(model, engine, ids)
    assert_equals_pytorch(model, engine, ids, uneven_mask(ids))
