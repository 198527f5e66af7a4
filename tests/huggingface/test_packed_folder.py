"""Packed folders in AutoModel and pipeline: the engine's answers, without a warning."""

import gc
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import save_file
from transformers.utils import logging as transformers_logging

import fineprune.huggingface
from fineprune import Engine, pack_folder
from fineprune.errors import PackedFileError
from fineprune.pytorch.loading import replace_linears
from fineprune.pytorch.sparse_linear import SparseLinear
from tests.engine.zoo import ARCHITECTURES, CLASSES, HEADS, build
from tests.models import in_blocks
from tests.workspace import make_tokenizer

NEAR = 1e-5
TEXTS = ["w1 w2", "w3", "w4 w5 w6 w7 w1 w2 w9"]


@pytest.fixture
def silence() -> Iterator[None]:
    """Nothing is logged that is a warning."""
    said: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger = transformers_logging.get_logger("transformers")
    logger.addHandler(handler)
    yield
    logger.removeHandler(handler)
    assert said == []


def packed(folder: Path, architecture: str, head: str, **changes: Any) -> Path:
    build(architecture, head, **changes).save_pretrained(folder / "plain")
    make_tokenizer().save_pretrained(folder / "plain")
    pack_folder(folder / "plain", folder / "packed")
    return folder / "packed"


def batch() -> dict[str, Any]:
    ids = np.random.default_rng(1).integers(5, 40, (3, 9))
    mask = np.ones_like(ids)
    mask[1, 4:] = 0
    return {"input_ids": ids, "attention_mask": mask}


def said_by(model: Any) -> dict[str, Any]:
    with torch.inference_mode():
        return dict(model(**{name: torch.tensor(array) for name, array in batch().items()}))


def assert_same_answers(model: Any, engine: Engine) -> None:
    expected, mask = engine.run(**batch()), batch()["attention_mask"] == 1
    for name, tensor in said_by(model).items():
        if name not in expected:
            continue
        found, right = tensor.numpy(), expected[name]
        if found.shape[:2] == mask.shape:  # of tokens; those of padding mean nothing
            found, right = found[mask], right[mask]
        assert np.abs(found - right).max() <= NEAR * np.abs(right).max(), name


@pytest.mark.usefixtures("silence")
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_equals_the_engine(architecture: str, head: str, tmp_path: Path) -> None:
    folder = packed(tmp_path, architecture, head)
    model = CLASSES[head].from_pretrained(folder)
    assert not model.training
    assert_same_answers(model, Engine(folder, threads=1))


def sparse_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a measurement would say."""
    monkeypatch.setattr(
        "fineprune.huggingface.quantizer.run_sparse",
        lambda model: replace_linears(model, lambda name, weight: True),
    )


@pytest.mark.usefixtures("silence")
def test_on_a_cpu_it_runs_sparse_kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sparse_everywhere(monkeypatch)
    folder = packed(tmp_path, "bert", "sequence")
    model = CLASSES["sequence"].from_pretrained(folder)
    sparse = {name for name, one in model.named_modules() if isinstance(one, SparseLinear)}
    assert sparse >= in_blocks(build("bert", "sequence")).keys()
    assert_same_answers(model, Engine(folder, threads=1))


def test_other_types(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sparse_everywhere(monkeypatch)
    folder = packed(tmp_path, "bert", "sequence")
    exact = said_by(CLASSES["sequence"].from_pretrained(folder))["logits"]
    model = CLASSES["sequence"].from_pretrained(folder, dtype=torch.bfloat16)
    assert model.dtype == torch.bfloat16
    torch.testing.assert_close(said_by(model)["logits"].float(), exact, rtol=0.1, atol=0.1)
    auto = CLASSES["sequence"].from_pretrained(folder, dtype="auto")
    assert auto.dtype == torch.float32


@pytest.mark.usefixtures("silence")
def test_a_config_that_says_no_type(tmp_path: Path) -> None:
    folder = packed(tmp_path, "bert", "sequence")
    path = tmp_path / "plain/config.json"
    config = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({key: config[key] for key in config if "dtype" not in key}), "utf-8")
    pack_folder(tmp_path / "plain", tmp_path / "again")
    model = CLASSES["sequence"].from_pretrained(tmp_path / "again")
    assert model.dtype == torch.float32
    assert_same_answers(model, Engine(folder, threads=1))


@pytest.mark.usefixtures("silence")
def test_pipelines(tmp_path: Path) -> None:
    folder = packed(tmp_path, "bert", "sequence", id2label={0: "no", 1: "yes", 2: "maybe"})
    pipe = transformers.pipeline("text-classification", model=str(folder))
    for one, other in zip(pipe(TEXTS), Engine(folder, threads=1)(TEXTS), strict=True):
        assert one == other | {"score": pytest.approx(other["score"], abs=NEAR)}


@pytest.mark.usefixtures("silence")
def test_sentence_transformers(tmp_path: Path) -> None:
    """The encoder by the quantizer, the Dense behind it from a file of its own."""
    library = pytest.importorskip("sentence_transformers")
    build("bert", "none").save_pretrained(tmp_path / "plain")
    make_tokenizer().save_pretrained(tmp_path / "plain")
    (tmp_path / "plain/2_Dense").mkdir()
    dense = {"linear.weight": torch.randn(7, 24), "linear.bias": torch.randn(7)}
    save_file(dense, tmp_path / "plain/2_Dense/model.safetensors")
    for name, content in {
        "modules.json": [
            {"type": f"sentence_transformers.models.{kind}", "path": folder, "name": str(number)}
            for number, (kind, folder) in enumerate(
                {"Transformer": "", "Pooling": "1_Pooling", "Dense": "2_Dense"}.items()
            )
        ],
        "1_Pooling/config.json": {"word_embedding_dimension": 24, "pooling_mode_cls_token": True},
        "2_Dense/config.json": {"in_features": 24, "out_features": 7},
    }.items():
        (tmp_path / "plain" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "plain" / name).write_text(json.dumps(content), encoding="utf-8")
    pack_folder(tmp_path / "plain", tmp_path / "packed")
    found = library.SentenceTransformer(str(tmp_path / "packed"), device="cpu").encode(TEXTS)
    expected = Engine(tmp_path / "packed", threads=1).encode(TEXTS)
    assert found.shape == (3, 7)
    np.testing.assert_allclose(found, expected, atol=NEAR)


def test_a_plain_model_comes_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sparse_everywhere(monkeypatch)
    folder = packed(tmp_path, "bert", "sequence")
    model = CLASSES["sequence"].from_pretrained(folder)
    before = said_by(model)["logits"]
    plain = model.dequantize()
    assert not any(isinstance(one, SparseLinear) for one in plain.modules())
    plain.save_pretrained(tmp_path / "saved")
    config = json.loads((tmp_path / "saved/config.json").read_text("utf-8"))
    assert {"quantization_config", "transformers_weights"}.isdisjoint(config)
    again = CLASSES["sequence"].from_pretrained(tmp_path / "saved")
    torch.testing.assert_close(said_by(again)["logits"], before)


def test_it_is_not_saved_as_what_nobody_could_load(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = CLASSES["sequence"].from_pretrained(packed(tmp_path, "bert", "sequence"))
    with pytest.raises(ValueError, match="quantized with fineprune and is not serializable"):
        model.save_pretrained(tmp_path / "saved")
    assert not (tmp_path / "saved").exists()
    assert "call model.dequantize() first" in caplog.text


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_what_is_damaged_is_refused(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = packed(tmp_path, "bert", "sequence")
    file = folder / "model.fineprune.safetensors"
    content = file.read_bytes()
    file.unlink()
    if damage == "cut":
        file.write_bytes(content[:-9])
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    with pytest.raises(PackedFileError, match=r"model\.fineprune\.safetensors"):
        CLASSES["sequence"].from_pretrained(folder)


def test_weights_that_do_not_fit_leave_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = packed(tmp_path, "bert", "sequence")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps(config | {"hidden_size": 16}), "utf-8")
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    with pytest.raises(RuntimeError, match="mismatched"):
        CLASSES["sequence"].from_pretrained(folder)
    gc.collect()
    assert list((tmp_path / "scratch").iterdir()) == []


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = packed(tmp_path, "bert", "sequence")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    CLASSES["sequence"].from_pretrained(folder)
    assert list((tmp_path / "scratch").iterdir()) == []
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_plain_folder_is_not_loaded_as_a_packed_one(tmp_path: Path) -> None:
    build("bert", "sequence").save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="require the model to be pre-quantized"):
        CLASSES["sequence"].from_pretrained(
            tmp_path, quantization_config=fineprune.huggingface.PackedConfig()
        )


@pytest.mark.parametrize(
    "load",
    [
        "AutoModelForSequenceClassification.from_pretrained({0!r})",
        "pipeline('text-classification', model={0!r})",
    ],
)
def test_without_the_import_an_error_says_what_to_import(load: str, tmp_path: Path) -> None:
    folder = packed(tmp_path, "bert", "sequence")
    program = f"from transformers import *\n{load.format(str(folder))}"
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300
    )
    assert ended.returncode == 1
    assert "import fineprune.huggingface to load this model" in ended.stderr
