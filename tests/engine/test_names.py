"""Encoders whose tensors have other names than transformers gives them today."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from fineprune import Engine, pack
from tests.engine.zoo import ARCHITECTURES, VOCABULARY, Packed, build

PREFIX = {name: f"{name}." for name in ("albert", "bert", "distilbert", "electra", "mpnet")} | {
    "deberta-v2": "deberta.",
    "modernbert": "model.",
}


def with_old_names(name: str) -> str:
    return name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
        "LayerNorm.bias", "LayerNorm.beta"
    )


def renamed(
    tmp_path: Path, architecture: str, head: str, rename: Callable[[str], str]
) -> tuple[Packed, set[str]]:
    """The packed file of a model with renamed tensors, and the names that the model has."""
    model = build(architecture, head)
    model.save_pretrained(tmp_path / "model")
    file = tmp_path / "model" / "model.safetensors"
    tensors = {rename(name): tensor for name, tensor in load_file(file).items()}
    save_file(tensors, file, metadata={"format": "pt"})
    pack(tmp_path / "model", tmp_path / "model.packed")
    return Packed(tmp_path / "model.packed", head), set(model.state_dict())


def assert_runs_as_transformers_loads_it(packed: Packed, names: set[str]) -> None:
    engine = Engine(packed.file, threads=1)
    # Of a matrix that is run in parts, these are named by their rows.
    assert {matrix.name.partition("[")[0] for matrix in engine.plan()} <= names
    ids = np.random.default_rng(0).integers(5, VOCABULARY, (3, 17))
    found = engine.run(ids)
    for name, values in packed.expected(input_ids=ids).items():
        np.testing.assert_allclose(found[name], values, atol=2e-5 * np.abs(values).max())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_base_model_saved_as_part_of_one_with_a_head(architecture: str, tmp_path: Path) -> None:
    prefix = PREFIX.get(architecture, "roberta.")
    model = renamed(tmp_path, architecture, "none", lambda name: prefix + name)
    assert_runs_as_transformers_loads_it(*model)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_model_with_a_head_saved_without_the_prefix(architecture: str, tmp_path: Path) -> None:
    prefix = PREFIX.get(architecture, "roberta.")
    model = renamed(tmp_path, architecture, "token", lambda name: name.removeprefix(prefix))
    assert_runs_as_transformers_loads_it(*model)


@pytest.mark.parametrize("head", ["none", "sequence"])
def test_gamma_and_beta(head: str, tmp_path: Path) -> None:
    model = renamed(tmp_path, "bert", head, with_old_names)
    assert_runs_as_transformers_loads_it(*model)


def test_both(tmp_path: Path) -> None:
    model = renamed(tmp_path, "bert", "none", lambda name: "bert." + with_old_names(name))
    assert_runs_as_transformers_loads_it(*model)


def test_what_pretraining_left_in_the_file(tmp_path: Path) -> None:
    """`BertForPreTraining` has a head of its own beside the encoder; a `BertModel` ignores it."""
    build("bert", "none").save_pretrained(tmp_path / "model")
    file = tmp_path / "model" / "model.safetensors"
    tensors = {f"bert.{with_old_names(name)}": tensor for name, tensor in load_file(file).items()}
    tensors["cls.predictions.bias"] = np.ones(VOCABULARY, np.float32)
    save_file(tensors, file, metadata={"format": "pt"})
    config = json.loads((tmp_path / "model/config.json").read_text(encoding="utf-8"))
    assert config["architectures"] == ["BertModel"]
    pack(tmp_path / "model", tmp_path / "model.packed")
    assert Engine(tmp_path / "model.packed", threads=1).run([[5]])["embeddings"].shape == (1, 24)
