"""The engine says what PyTorch says, and is clear about what it does not take."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fineprune import Engine, SparseTensor, read_packed
from fineprune.engine import _native
from fineprune.engine.errors import InputError, NativeMissingError
from fineprune.engine.native import INSTRUCTION_SET_VARIABLE
from tests.engine.conftest import MakePacked
from tests.engine.zoo import ARCHITECTURES, HEADS, POSITIONS, VOCABULARY, Packed, build, save_packed

TOLERANCE = 2e-5
"""Largest difference to PyTorch, relative to the largest output."""

PADDING = {"logits": 0.0, "last_hidden_state": 0.0, "start_logits": -np.inf, "end_logits": -np.inf}


def tokens(batch: int, length: int, seed: int = 0) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(5, VOCABULARY, (batch, length))


def assert_equals_pytorch(
    model: Packed, engine: Engine, ids: NDArray[Any], mask: NDArray[Any] | None = None, **more: Any
) -> None:
    mask = np.ones_like(ids) if mask is None else mask
    found = engine.run(ids, mask, **more)
    expected = model.expected(input_ids=ids, attention_mask=mask, **more)
    assert found.keys() - {"embeddings"} == expected.keys()
    for name, values in expected.items():
        assert found[name].dtype == np.float32
        assert found[name].shape == values.shape
        attended = mask == 1
        if values.shape[:2] != mask.shape:  # of whole sequences
            attended = np.ones(len(ids), np.bool_)
        else:
            np.testing.assert_array_equal(found[name][~attended], PADDING[name])
        difference = np.abs(found[name] - values)[attended].max()
        assert difference <= TOLERANCE * np.abs(values[attended]).max(), name


def uneven_mask(ids: NDArray[Any]) -> NDArray[Any]:
    """Rows of different lengths, and holes behind the first token of some."""
    mask = np.ones_like(ids)
    for row, length in enumerate(np.linspace(1, ids.shape[1], len(ids)).astype(int)):
        mask[row, length:] = 0
        mask[row, 2 : 2 + row] = 0
    return mask


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_equals_pytorch(architecture: str, head: str, packed: MakePacked) -> None:
    model = packed(architecture, head)
    engine = Engine(model.file, threads=1)
    ids = tokens(5, 40)
    assert_equals_pytorch(model, engine, ids)
    assert_equals_pytorch(model, engine, ids, uneven_mask(ids))


@pytest.mark.parametrize("instruction_set", _native.instruction_sets())
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_instruction_set(
    instruction_set: str, architecture: str, packed: MakePacked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(INSTRUCTION_SET_VARIABLE, instruction_set)
    model = packed(architecture, "none")
    engine = Engine(model.file, threads=2)
    assert engine.instruction_set == instruction_set
    ids = tokens(3, 70)
    assert_equals_pytorch(model, engine, ids, uneven_mask(ids))


@pytest.mark.parametrize("instruction_set", _native.instruction_sets())
@pytest.mark.parametrize("density", [0.0, 0.01, 0.06, 0.5, 1.0])
def test_every_density(
    density: float, instruction_set: str, packed: MakePacked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(INSTRUCTION_SET_VARIABLE, instruction_set)
    model = packed(density=density)
    engine = Engine(model.file, threads=1)
    assert_equals_pytorch(model, engine, tokens(2, 33))
    weights = model.reference.state_dict()
    for matrix in engine.plan():
        assert matrix.kept == weights[matrix.name].count_nonzero()


@pytest.mark.parametrize("bits", [4, 16, 32])
def test_every_kind_of_weight(bits: int, packed: MakePacked) -> None:
    model = packed(bits=bits)
    assert_equals_pytorch(model, Engine(model.file, threads=1), tokens(2, 33))


@pytest.mark.parametrize("bits", [8, 16])
def test_a_table_that_is_mostly_zeros(bits: int, tmp_path: Path) -> None:
    model = build("bert", "token")
    table = model.bert.embeddings.word_embeddings.weight
    table.data *= torch.rand_like(table) < 0.05
    packed = save_packed(model, tmp_path / "model", "token", embedding_bits=bits)
    stored = read_packed(packed.file).tensors["bert.embeddings.word_embeddings.weight"]
    assert isinstance(stored, SparseTensor)
    assert_equals_pytorch(packed, Engine(packed.file, threads=1), tokens(2, 33))


@pytest.mark.parametrize(
    ("batch", "length"),
    [(1, 1), (1, 2), (1, 15), (1, 16), (1, 17), (7, 31), (32, 9), (3, 129), (1, POSITIONS)],
)
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_every_size(batch: int, length: int, threads: int, packed: MakePacked) -> None:
    model = packed(head="token")
    engine = Engine(model.file, threads=threads)
    ids = tokens(batch, length)
    assert_equals_pytorch(model, engine, ids)
    assert_equals_pytorch(model, engine, ids, uneven_mask(ids) if length > 40 else None)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    heads=st.integers(1, 5),
    head_size=st.integers(1, 11),
    intermediate=st.integers(1, 70),
    layers=st.integers(1, 2),
    activation=st.sampled_from(["gelu", "gelu_new", "relu"]),
    lengths=st.lists(st.integers(1, 50), min_size=1, max_size=4),
    density=st.sampled_from([0.0, 0.1, 0.5]),
    seed=st.integers(0, 9),
)
def test_any_sizes(
    heads: int,
    head_size: int,
    intermediate: int,
    layers: int,
    activation: str,
    lengths: list[int],
    density: float,
    seed: int,
    tmp_path: Path,
) -> None:
    sizes = {
        "hidden_size": heads * head_size,
        "num_attention_heads": heads,
        "intermediate_size": intermediate,
        "num_hidden_layers": layers,
        "hidden_act": activation,
    }
    folder = Path(mkdtemp(dir=tmp_path)) / "model"
    model = save_packed(build("bert", "token", density, **sizes), folder, "token")
    ids = tokens(len(lengths), max(lengths), seed)
    mask = (np.arange(ids.shape[1]) < np.array(lengths)[:, None]).astype(np.int64)
    assert_equals_pytorch(model, Engine(model.file, threads=2), ids, mask)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_padding_on_the_left(architecture: str, packed: MakePacked) -> None:
    model = packed(architecture, "question")
    ids = tokens(2, 12)
    mask = np.ones_like(ids)
    ids[0, :5], mask[0, :5] = 1, 0
    assert_equals_pytorch(model, Engine(model.file, threads=1), ids, mask)


@pytest.mark.parametrize("architecture", ["bert", "electra"])
def test_token_types(architecture: str, packed: MakePacked) -> None:
    model = packed(architecture)
    ids = tokens(3, 20)
    types = (np.arange(20) > 8) * np.ones_like(ids)
    assert_equals_pytorch(model, Engine(model.file, threads=1), ids, token_type_ids=types)


def test_padding_changes_nothing(packed: MakePacked) -> None:
    engine = Engine(packed().file, threads=1)
    ids = tokens(1, 9)
    wide = np.full((1, 50), VOCABULARY - 1)
    wide[:, :9] = ids
    mask = (np.arange(50) < 9)[None]
    alone, padded = engine.run(ids)["logits"], engine.run(wide, mask)["logits"]
    np.testing.assert_array_equal(alone, padded)


def test_calls_from_many_threads(packed: MakePacked) -> None:
    engine = Engine(packed().file, threads=2)
    inputs = [tokens(1 + seed % 3, 5 + seed, seed) for seed in range(24)]
    expected = [engine.run(ids)["logits"] for ids in inputs]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda ids: engine.run(ids)["logits"], inputs))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.skipif(not _native.has_bf16(), reason="this CPU has no bf16 instructions")
def test_bf16_is_close(packed: MakePacked) -> None:
    model = packed()
    ids = tokens(8, 40)
    expected = model.expected(input_ids=ids)["logits"]
    found = Engine(model.file, threads=2, precision="bf16").run(ids)["logits"]
    difference = np.abs(found - expected).max() / np.abs(expected).max()
    assert 1e-5 < difference < 0.03  # of a model far less tame than trained ones


def test_plan(packed: MakePacked) -> None:
    plan = Engine(packed(density=0.06).file, threads=1).plan()
    assert len(plan) == 12
    for matrix in plan:
        assert matrix.name.startswith("bert.encoder.layer.")
        dense_pays = matrix.sparse_milliseconds > 1.1 * matrix.dense_milliseconds
        assert matrix.kind == ("dense" if dense_pays else "sparse")
        assert matrix.density == matrix.kept / (matrix.rows * matrix.columns)
        assert matrix.reason.startswith(f"{matrix.kind}: ")
    assert {(24, 24), (40, 24), (24, 40)} == {(one.rows, one.columns) for one in plan}


def test_needs_no_pytorch(packed: MakePacked) -> None:
    code = f"""
import sys
from fineprune import Engine, SparseTensor, read_packed
engine = Engine({str(packed().file)!r}, threads=1)
engine.run([[5, 6, 7]])
print([name for name in ("torch", "transformers", "scipy") if name in sys.modules])
"""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "[]"


# What is wrong is told.


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ([[[5.0, 6.0]]], "input_ids is of type float64; expected integers"),
        ([[5, 6]], r"input_ids has shape \(2,\); expected \(batch, tokens\), both at least 1"),
        ([[]], r"input_ids has shape \(0,\)"),
        ([np.zeros((0, 4), int)], r"input_ids has shape \(0, 4\)"),
        ([[[5], [6, 7]]], "input_ids is no array"),
        ([[["a"]]], "input_ids is of type <U1; expected integers"),
        ([[[5, VOCABULARY]]], r"input_ids\[0, 1\] is 50; expected 0 to 49"),
        ([[[5, 6], [-1, 5]]], r"input_ids\[1, 0\] is -1; expected 0 to 49"),
        ([[[5, 2**40]]], r"input_ids\[0, 1\] is 1099511627776; expected 0 to 49"),
        ([np.full((1, 513), 5)], "input_ids has 513 tokens a row; the model has positions for 512"),
        ([[[5, 6]], [[1]]], r"attention_mask has shape \(1, 1\); expected that of input_ids"),
        ([[[5, 6]], [[1, 2]]], "attention_mask holds 2; expected 0 and 1 only"),
        ([[[5, 6]], [[1.0, 1.0]]], "attention_mask is of type float64; expected integers"),
        ([[[5], [6]], [[1], [0]]], r"attention_mask\[1\] is all zeros; expected at least one"),
        ([[[5, 6]], None, [[0, 2]]], r"token_type_ids\[0, 1\] is 2; expected 0 to 1"),
        ([[[5, 6]], None, [0, 1]], r"token_type_ids has shape \(2,\)"),
    ],
)
def test_wrong_inputs(inputs: list[Any], said: str, packed: MakePacked) -> None:
    engine = Engine(packed().file, threads=1)
    with pytest.raises(InputError, match=said):
        engine.run(*inputs)


def test_ids_at_padding_do_not_matter(packed: MakePacked) -> None:
    engine = Engine(packed().file, threads=1)
    engine.run([[5, -100]], [[1, 0]])


def test_too_many_tokens_for_roberta(packed: MakePacked) -> None:
    engine = Engine(packed("roberta").file, threads=1)
    engine.run(tokens(1, POSITIONS))
    with pytest.raises(InputError, match="513 tokens a row; the model has positions for 512"):
        engine.run(tokens(1, POSITIONS + 1))


def test_a_model_without_token_types_takes_zeros_only(packed: MakePacked) -> None:
    engine = Engine(packed("distilbert").file, threads=1)
    engine.run([[5, 6]], token_type_ids=[[0, 0]])
    with pytest.raises(InputError, match=r"token_type_ids\[0, 1\] is 1; expected 0 to 0"):
        engine.run([[5, 6]], token_type_ids=[[0, 1]])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"threads": 0}, "threads is 0; expected a whole number, 1 to 1024"),
        ({"threads": 1.5}, "threads is 1.5"),
        ({"threads": 10**6}, "threads is 1000000"),
        ({"precision": "int4"}, "precision is 'int4'; expected one of 'float32', 'bf16'"),
    ],
)
def test_wrong_options(options: dict[str, Any], said: str, packed: MakePacked) -> None:
    with pytest.raises(InputError, match=said):
        Engine(packed().file, **options)


def test_unknown_instruction_set(packed: MakePacked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(INSTRUCTION_SET_VARIABLE, "mmx")
    with pytest.raises(InputError, match="FINEPRUNE_INSTRUCTION_SET is 'mmx'; this CPU can run"):
        Engine(packed().file)


def test_without_its_native_part(packed: MakePacked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fineprune.engine._native", None)
    with pytest.raises(NativeMissingError, match=r"native part is missing .*install a C") as caught:
        Engine(packed().file)
    assert "\n" not in str(caught.value)
