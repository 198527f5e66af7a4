"""NaN and infinity reach whoever reads a model's outputs.

Files hold finite numbers only: infinite ones come of sums that are too large. To have them where a
test wants them, they are put in place of what was read from a file.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fineprune import DenseTensor, Engine, read_packed
from fineprune.engine import _native
from fineprune.engine import engine as engine_module
from fineprune.engine.native import INSTRUCTION_SET_VARIABLE
from tests.engine.zoo import Packed, build, save_packed

LAYER = "encoder.layer.0"
PRECISIONS = ["float32", *(["bf16"] if _native.has_bf16() else [])]


def break_tensor(
    packed: Packed, name: str, place: int, value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Puts a number into a tensor of the file and into the model that it is compared with.

    That one does its attention step by step: PyTorch's fused one makes finite numbers of NaN.
    """
    packed.reference.set_attn_implementation("eager")
    model = read_packed(packed.file)
    values = model.tensors[name].to_array().copy()
    values.reshape(-1)[place] = value
    tensors = {**model.tensors, name: DenseTensor(values.shape, values, None)}
    changed = replace(model, tensors=tensors)
    monkeypatch.setattr(engine_module, "read_packed", lambda path, limits: changed)
    with torch.no_grad():
        dict(packed.reference.named_parameters())[name].view(-1)[place] = value


@pytest.mark.parametrize(
    ("instruction_set", "precision"),
    [
        *((name, "float32") for name in _native.instruction_sets()),
        *((name, "bf16") for name in _native.instruction_sets()[:1] if _native.has_bf16()),
    ],
)
@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "relu"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        (f"{LAYER}.attention.self.query.bias", np.inf),
        (f"{LAYER}.attention.self.query.bias", -np.inf),
        (f"{LAYER}.attention.self.key.bias", np.nan),
        (f"{LAYER}.attention.self.value.bias", np.inf),
        (f"{LAYER}.intermediate.dense.bias", np.nan),
        (f"{LAYER}.intermediate.dense.bias", np.inf),
        (f"{LAYER}.output.dense.bias", -np.inf),
        ("encoder.layer.1.output.LayerNorm.bias", np.inf),
    ],
)
def test_outputs_are_none_where_those_of_pytorch_are(
    name: str,
    value: float,
    activation: str,
    instruction_set: str,
    precision: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(INSTRUCTION_SET_VARIABLE, instruction_set)
    model = save_packed(
        build("bert", "none", density=1.0, hidden_act=activation), tmp_path / "model", "none", 32
    )
    break_tensor(model, name, 7, value, monkeypatch)
    ids = np.array([[5, 6, 7, 8, 9]])
    expected = model.expected(input_ids=ids)["last_hidden_state"]
    assert not np.isfinite(expected).all()
    found = Engine(model.file, threads=1, precision=precision).run(ids)["last_hidden_state"]
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_array_equal(np.isinf(found), np.isinf(expected))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_one_sequence_does_not_spoil_another(
    precision: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token whose embedding is NaN: sequences beside it, in the same tile, are what they were."""
    model = save_packed(build("bert", "none"), tmp_path / "model", "none", 32, embedding_bits=32)
    break_tensor(model, "embeddings.word_embeddings.weight", 9 * 24 + 3, np.nan, monkeypatch)
    engine = Engine(model.file, threads=1, precision=precision)
    ids = np.array([[5, 6, 7], [5, 9, 7], [8, 6, 5]])
    found = engine.run(ids)["last_hidden_state"]
    assert np.isnan(found[1]).all()
    assert np.isfinite(found[[0, 2]]).all()
    # The workspace held NaN: nothing of it is left.
    assert np.isfinite(engine.run(ids[[0, 2]])["last_hidden_state"]).all()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_scores_that_are_too_large(precision: Any, tmp_path: Path) -> None:
    """Queries and keys of 1e25 have scores of 1e50: infinite, and their softmax is NaN."""
    model = build("bert", "none", density=1.0)
    with torch.no_grad():
        for part in ("query", "key"):
            model.get_submodule(f"{LAYER}.attention.self.{part}").bias.fill_(1e25)
    packed = save_packed(model, tmp_path / "model", "none", 32)
    ids = np.array([[5, 6, 7]])
    assert np.isnan(packed.expected(input_ids=ids)["last_hidden_state"]).all()
    found = Engine(packed.file, threads=1, precision=precision).run(ids)["last_hidden_state"]
    assert np.isnan(found).all()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_an_epsilon_of_zero(precision: Any, tmp_path: Path) -> None:
    """Lanes without a token then hold NaN. An odd number of tokens has one beside the last."""
    model = save_packed(
        build("bert", "none", layer_norm_eps=0.0), tmp_path / "model", "none", bits=32
    )
    ids = np.array([[5, 6, 7]])
    expected = model.expected(input_ids=ids)["last_hidden_state"]
    found = Engine(model.file, threads=1, precision=precision).run(ids)["last_hidden_state"]
    tolerance = 2e-5 if precision == "float32" else 0.05
    np.testing.assert_allclose(found, expected, atol=tolerance * np.abs(expected).max())
