"""What lies beside a masked model goes along when it is finalized."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertModel

from fineprune import Engine, Magnitude, attach, pack
from fineprune.errors import UnsupportedModelError
from fineprune.pruning.finalize import finalize_folder
from tests.workspace import bert_config, make_tokenizer

LIBRARY = "sentence_transformers.models"


def masked_embedder(folder: Path, pooling: str = "2_Pooling") -> Any:
    torch.manual_seed(0)
    model: Any = BertModel(bert_config()).eval()  # type: ignore[no-untyped-call]
    attach(model, Magnitude(keep=0.5))
    model.save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    files = {
        "modules.json": [
            {"path": "", "type": f"{LIBRARY}.Transformer"},
            {"path": pooling, "type": f"{LIBRARY}.Pooling"},
        ],
        f"{pooling}/config.json": {"pooling_mode_cls_token": True},
        "config_sentence_transformers.json": {
            "prompts": {"query": "w1 "},
            "default_prompt_name": "query",
        },
        "sentence_roberta_config.json": {"max_seq_length": 9},
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return model


def test_files_of_sentence_transformers(tmp_path: Path) -> None:
    model = masked_embedder(tmp_path / "run")
    finalize_folder(tmp_path / "run", tmp_path / "plain")
    pack(tmp_path / "plain", tmp_path / "packed", bits=32, embedding_bits=32)
    engine = Engine(tmp_path / "packed", threads=1)
    with torch.inference_mode():
        inputs = make_tokenizer()("w1 w2 w3", return_tensors="pt")
        first = model(**inputs).last_hidden_state[0, 0].numpy()
    np.testing.assert_allclose(engine("w2 w3"), first, atol=1e-5)
    assert engine.limit.tokens == 9


def test_a_module_elsewhere(tmp_path: Path) -> None:
    masked_embedder(tmp_path / "deep/run")
    modules = [{"path": "../../secret", "type": f"{LIBRARY}.Pooling"}]
    (tmp_path / "deep/run/modules.json").write_text(json.dumps(modules), encoding="utf-8")
    (tmp_path / "secret").mkdir()
    with pytest.raises(UnsupportedModelError, match=r"names '\.\./\.\./secret'"):
        finalize_folder(tmp_path / "deep/run", tmp_path / "plain")
    assert not (tmp_path / "plain").exists()
