"""Models that the engine does not run, or that do not hold what they should: one clear line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from fineprune import Engine, ReadLimits, pack
from fineprune.engine.errors import UnsupportedModelError, WeightsError
from fineprune.errors import FinepruneError, PackedFileError
from tests.engine.zoo import build
from tests.models import ARCHITECTURES

Tensors = dict[str, NDArray[Any]]
LAYER = "bert.encoder.layer.0"


def changed(
    tmp_path: Path,
    config: dict[str, Any] | None = None,
    tensors: Callable[[Tensors], Tensors] = lambda tensors: tensors,
    head: str = "sequence",
    lacking: str | None = None,
    architecture: str = "bert",
) -> Path:
    """The packed file of a model whose config or tensors were changed."""
    folder = tmp_path / "model"
    build(architecture, head).save_pretrained(folder)
    file, settings = folder / "model.safetensors", folder / "config.json"
    save_file(tensors(load_file(file)), file, metadata={"format": "pt"})
    content = json.loads(settings.read_text(encoding="utf-8")) | (config or {})
    content = {key: value for key, value in content.items() if key != lacking}
    settings.write_text(json.dumps(content), encoding="utf-8")
    pack(folder, tmp_path / "packed")
    return tmp_path / "packed"


def assert_one_line(file: Path, kind: type[FinepruneError], said: str) -> None:
    with pytest.raises(kind, match=said) as caught:
        Engine(file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["vit"])
def test_other_architectures(name: str, tmp_path: Path) -> None:
    [architecture] = [one for one in ARCHITECTURES if one.name == name]
    architecture.build().save_pretrained(tmp_path / "model")
    pack(tmp_path / "model", tmp_path / "packed")
    said = f"does not run models of type '{name}', only 'albert', .*fineprune.load\\(FILE\\) gives"
    assert_one_line(tmp_path / "packed", UnsupportedModelError, said)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"model_type": None}, "does not run models of type ''"),
        ({"model_type": 3}, "model_type in the model's config is 3; expected a value like ''"),
        (
            {"architectures": ["BertForMaskedLM"]},
            "does not run 'BertForMaskedLM', only 'BertModel'",
        ),
        ({"architectures": None}, "architectures in the model's config is None; expected the name"),
        ({"architectures": [3]}, r"architectures in the model's config is \[3\]"),
        ({"num_attention_heads": 5}, "is 5, which does not divide the hidden size 24"),
        ({"num_attention_heads": 0}, "is 0, which does not divide"),
        ({"num_attention_heads": True}, "num_attention_heads in the model's config is True"),
        ({"num_attention_heads": None}, "num_attention_heads in the model's config is None"),
        ({"num_attention_heads": 10**30}, "is 1000000000000000000000000000000, which does not"),
        ({"layer_norm_eps": "small"}, "layer_norm_eps in the model's config is 'small'"),
        ({"layer_norm_eps": None}, "layer_norm_eps in the model's config is None; expected"),
        ({"layer_norm_eps": float("nan")}, "layer_norm_eps .* is nan; expected a small number"),
        ({"layer_norm_eps": float("inf")}, "layer_norm_eps .* is inf; expected a small number"),
        ({"layer_norm_eps": -1e-12}, "layer_norm_eps .* is -1e-12; expected a small number"),
        ({"layer_norm_eps": 1e39}, r"layer_norm_eps .* is 1e\+39; expected a small number"),
        ({"layer_norm_eps": 10**400}, "layer_norm_eps in the model's config is 1000.*; expected"),
        ({"hidden_act": None}, "hidden_act in the model's config is None; expected a value like"),
        ({"hidden_act": "swish"}, "hidden_act in the model's config is 'swish'; the engine knows"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type .* 'relative_key'"),
        ({"is_decoder": True}, "is_decoder in the model's config is True; the engine runs False"),
    ],
)
def test_configs(config: dict[str, Any], said: str, tmp_path: Path) -> None:
    assert_one_line(changed(tmp_path, config), UnsupportedModelError, said)


def test_heads_that_the_config_does_not_tell(tmp_path: Path) -> None:
    said = "the model's config has no num_attention_heads; expected a whole number: save"
    file = changed(tmp_path, lacking="num_attention_heads")
    assert_one_line(file, UnsupportedModelError, said)


@pytest.mark.parametrize(
    ("padding", "said"),
    [
        (-10, "pad_token_id in the model's config is -10; expected 0 to 512, because tokens"),
        (-1, "is -1; expected 0 to 512"),
        (513, "is 513; expected 0 to 512"),
        (10**30, f"is {10**30}; expected 0 to 512"),
        (None, "is None; expected a value like 1"),
        (1.0, "is 1.0; expected a value like 1"),
    ],
)
def test_padding_that_positions_cannot_be_counted_from(
    padding: Any, said: str, tmp_path: Path
) -> None:
    file = changed(tmp_path, {"pad_token_id": padding}, architecture="roberta")
    assert_one_line(file, UnsupportedModelError, said)


def test_defaults_of_transformers(tmp_path: Path) -> None:
    """What it takes where a config lacks a key: RoBERTa's padding is 1."""
    ids = np.array([[5, 1, 6]])
    whole = changed(tmp_path / "whole", architecture="roberta")
    lacking = changed(tmp_path / "lacking", lacking="pad_token_id", architecture="roberta")
    found, expected = (Engine(file, threads=1).run(ids)["logits"] for file in (lacking, whole))
    np.testing.assert_array_equal(found, expected)


def test_distilbert_has_an_epsilon_of_its_own(tmp_path: Path) -> None:
    """transformers takes 1e-12 for it, whatever the config says."""
    ids = np.array([[5, 6]])
    whole = changed(tmp_path / "whole", architecture="distilbert")
    other = changed(tmp_path / "other", {"layer_norm_eps": 0.1}, architecture="distilbert")
    found, expected = (Engine(file, threads=1).run(ids)["logits"] for file in (other, whole))
    np.testing.assert_array_equal(found, expected)


def without(name: str) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {key: tensor for key, tensor in tensors.items() if key != name}


def cut(name: str) -> Callable[[Tensors], Tensors]:
    return lambda tensors: tensors | {name: np.ascontiguousarray(tensors[name][:-1])}


def renumbered(tensors: Tensors) -> Tensors:
    return {name.replace(".layer.1.", ".layer.2."): tensor for name, tensor in tensors.items()}


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        (without(f"{LAYER}.output.dense.bias"), f"has no tensor '{LAYER}.output.dense.bias'"),
        (without(f"{LAYER}.attention.self.query.weight"), "has no tensor .*query.weight'"),
        (without("bert.embeddings.word_embeddings.weight"), "has no tensor .*word_embeddings"),
        (without("bert.pooler.dense.weight"), "has no tensor 'bert.pooler.dense.weight'"),
        (cut(f"{LAYER}.output.dense.weight"), r"has shape \(23, 40\); expected \(24, 40\)"),
        (cut(f"{LAYER}.output.LayerNorm.bias"), r"has shape \(23,\); expected \(24,\)"),
        (cut("classifier.bias"), r"'classifier.bias' has shape \(2,\); expected \(3,\)"),
        (renumbered, r"layers are numbered \[0, 2\]; expected 0 to 1"),
    ],
)
def test_weights(tensors: Callable[[Tensors], Tensors], said: str, tmp_path: Path) -> None:
    assert_one_line(changed(tmp_path, tensors=tensors), WeightsError, said)


def test_files_that_are_none(tmp_path: Path) -> None:
    assert_one_line(tmp_path / "nowhere", PackedFileError, "nowhere")
    (tmp_path / "text").write_text("no model", encoding="utf-8")
    assert_one_line(tmp_path / "text", PackedFileError, "text")


def test_limits(tmp_path: Path) -> None:
    with pytest.raises(PackedFileError, match="the limit is 100"):
        Engine(changed(tmp_path), limits=ReadLimits(weights=100))


def test_question_answering_has_two_outputs(tmp_path: Path) -> None:
    file = changed(tmp_path, tensors=cut("qa_outputs.weight"), head="question")
    assert_one_line(file, WeightsError, "'qa_outputs.weight' has 1 rows; expected 2")


def test_embeddings_of_another_width(tmp_path: Path) -> None:
    def narrow(tensors: Tensors) -> Tensors:
        name = "bert.embeddings.word_embeddings.weight"
        return tensors | {name: np.ascontiguousarray(tensors[name][:, :16])}

    said = "embeddings are 16 wide and layers 24: no projection"
    assert_one_line(changed(tmp_path, tensors=narrow), WeightsError, said)


MPNET_BIAS = "mpnet.encoder.relative_attention_bias.weight"


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        (without(MPNET_BIAS), f"has no tensor '{MPNET_BIAS}'"),
        (cut(MPNET_BIAS), r"has shape \(31, 2\); expected at least 32 rows of 2 heads"),
        (
            lambda tensors: tensors | {MPNET_BIAS: np.ones((32, 3), np.float32)},
            r"has shape \(32, 3\); expected at least 32 rows of 2 heads",
        ),
        (
            lambda tensors: (
                tensors
                | {"mpnet.embeddings.position_embeddings.weight": np.ones((2, 24), np.float32)}
            ),
            "the model has 2 positions; expected at least 3, because tokens are numbered from 2",
        ),
    ],
)
def test_weights_of_mpnet(tensors: Callable[[Tensors], Tensors], said: str, tmp_path: Path) -> None:
    assert_one_line(changed(tmp_path, tensors=tensors, architecture="mpnet"), WeightsError, said)
