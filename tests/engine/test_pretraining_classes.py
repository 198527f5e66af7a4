"""Encoders whose config names a class of pretraining, the head of which is not there."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

import fineprune
from fineprune import Engine, pack
from fineprune.engine.errors import UnsupportedModelError
from tests.cli.conftest import Command, no_bars
from tests.cli.conftest import fineprune as fineprune_command
from tests.models import ARCHITECTURES
from tests.workspace import bert_config, make_tokenizer

__all__ = ["fineprune_command", "no_bars"]

LIBRARY = "sentence_transformers.models"


def encoder(folder: Path, name: str, prefix: str = "", **options: Any) -> Any:
    """An encoder alone, that calls itself a masked language model."""
    torch.manual_seed(0)
    if name == "mpnet":
        [architecture] = [one for one in ARCHITECTURES if one.name == name]
        model: Any = transformers.AutoModel.from_config(architecture.config())  # type: ignore[no-untyped-call]
        masked = "MPNetForMaskedLM"
    else:
        model = transformers.BertModel(bert_config(), **options)
        masked = "BertForMaskedLM"
    model.eval()
    model.save_pretrained(
        folder, state_dict={f"{prefix}{key}": value for key, value in model.state_dict().items()}
    )
    config = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, "architectures": [masked]}))
    make_tokenizer().save_pretrained(folder)
    return model


def states(model: Any, ids: torch.Tensor) -> Any:
    with torch.inference_mode():
        return model(input_ids=ids).last_hidden_state.numpy()


@pytest.mark.parametrize(
    ("name", "prefix", "options"),
    [
        ("mpnet", "", {}),
        ("bert", "", {}),
        ("bert", "bert.", {}),
        ("bert", "", {"add_pooling_layer": False}),
    ],
)
def test_load_gives_the_encoder(
    name: str, prefix: str, options: dict[str, Any], tmp_path: Path
) -> None:
    model = encoder(tmp_path / "plain", name, prefix, **options)
    pack(tmp_path / "plain", tmp_path / "packed", bits=32, embedding_bits=32)
    ids = torch.tensor([[5, 6, 7]])
    loaded = fineprune.load(tmp_path / "packed")
    np.testing.assert_allclose(states(loaded, ids), states(model, ids), atol=1e-5)
    assert type(loaded) is type(model)


@pytest.mark.parametrize(
    ("name", "prefix"), [("bert", ""), ("bert", "bert."), ("mpnet", ""), ("mpnet", "mpnet.")]
)
def test_the_engine_runs_the_encoder(name: str, prefix: str, tmp_path: Path) -> None:
    model = encoder(tmp_path / "plain", name, prefix)
    pack(tmp_path / "plain", tmp_path / "packed", bits=32, embedding_bits=32)
    ids = torch.tensor([[5, 6, 7]])
    found = Engine(tmp_path / "packed", threads=1).run(ids.numpy())["last_hidden_state"]
    np.testing.assert_allclose(found, states(model, ids), atol=1e-5)


def test_a_head_that_is_there_is_not_ignored(tmp_path: Path) -> None:
    """Unless sentence-transformers would: it takes the encoder of any model."""
    transformers.BertForMaskedLM(bert_config()).save_pretrained(tmp_path / "plain")
    make_tokenizer().save_pretrained(tmp_path / "plain")
    pack(tmp_path / "plain", tmp_path / "packed")
    with pytest.raises(UnsupportedModelError, match="does not run 'BertForMaskedLM'"):
        Engine(tmp_path / "packed")
    modules = [
        {"path": "", "type": f"{LIBRARY}.Transformer"},
        {"path": "1_Pooling", "type": f"{LIBRARY}.Pooling"},
    ]
    (tmp_path / "plain/1_Pooling").mkdir()
    (tmp_path / "plain/1_Pooling/config.json").write_text('{"pooling_mode": "cls"}')
    (tmp_path / "plain/modules.json").write_text(json.dumps(modules))
    pack(tmp_path / "plain", tmp_path / "embedder")
    assert Engine(tmp_path / "embedder", threads=1)("w1").shape == (16,)


def test_pack_says_what_runs_it(fineprune_command: Command, tmp_path: Path) -> None:
    config = transformers.RoFormerConfig(vocab_size=20, hidden_size=16, num_attention_heads=2)
    transformers.RoFormerModel(config).save_pretrained(tmp_path / "other")
    found = fineprune_command("pack", tmp_path / "other", tmp_path / "packed")
    assert found.code == 0
    assert "the engine does not run models of type 'roformer'" in found.err
    assert "fineprune.load(FILE) gives this one" in found.err
    encoder(tmp_path / "bert", "bert")
    assert fineprune_command("pack", tmp_path / "bert", tmp_path / "again").err == ""
    encoder(tmp_path / "mpnet", "mpnet")
    assert fineprune_command("pack", tmp_path / "mpnet", tmp_path / "third").err == ""
