"""What a trainer saves of a masked model is what transformers loads."""

from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import HfApi, ModelCard
from safetensors import safe_open
from transformers import (
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    PreTrainedModel,
)
from transformers.utils import hub

from fineprune import Masks, load_model
from fineprune.pruning.masks import has_masks
from tests.training.loop import METHODS, SCHEDULE, dataset, model_of, trainer_of

ROWS = torch.tensor(dataset(seed=5)["input_ids"][:])


@torch.no_grad()
def answers(model: PreTrainedModel) -> list[torch.Tensor]:
    outputs = model.train(False)(input_ids=ROWS)
    return [value for name, value in outputs.items() if name.endswith("logits")]


def loaded(folder: Path, kind: Any = AutoModelForSequenceClassification) -> PreTrainedModel:
    """The model as anybody loads it; nothing may be missing."""
    model, report = kind.from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["mismatched_keys"]
    assert isinstance(model, PreTrainedModel)
    assert not has_masks(model)
    return model


@pytest.mark.parametrize("freeze_after", [None, 0.5])
@pytest.mark.parametrize("name", METHODS)
def test_auto_model_loads_what_was_saved(
    name: str, freeze_after: float | None, tmp_path: Path
) -> None:
    trainer = trainer_of(
        tmp_path / "run",
        METHODS[name],
        changes={"save_strategy": "steps", "save_steps": 4},
        freeze_after=freeze_after,
    )
    trainer.train()
    trainer.save_model(str(tmp_path / "saved"))
    expected = answers(model_of(trainer))
    for folder in (tmp_path / "saved", tmp_path / "run" / "checkpoint-12"):
        torch.testing.assert_close(answers(loaded(folder)), expected, rtol=1e-5, atol=1e-6)
        ours = load_model(folder)
        assert has_masks(ours)
        torch.testing.assert_close(answers(ours), expected, rtol=1e-5, atol=1e-6)
    for step in (4, 8):
        folder = tmp_path / "run" / f"checkpoint-{step}"
        torch.testing.assert_close(
            answers(loaded(folder)), answers(load_model(folder)), rtol=1e-5, atol=1e-6
        )


def test_of_question_answering(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path / "run", METHODS["l0"], "question-answering")
    trainer.train()
    trainer.save_model(str(tmp_path / "saved"))
    found = answers(loaded(tmp_path / "saved", AutoModelForQuestionAnswering))
    assert len(found) == 2
    torch.testing.assert_close(found, answers(model_of(trainer)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("how", ["model", "trainer"])
def test_push_to_hub_uploads_what_save_pretrained_writes(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploaded: list[set[str]] = []

    def names_in(folder: Any) -> set[str]:
        with safe_open(Path(folder) / "model.safetensors", framework="pt") as file:
            return set(file.keys())

    def upload(self: PreTrainedModel, folder: Any, *_: Any, **__: Any) -> None:
        uploaded.append(names_in(folder))

    trainer = trainer_of(tmp_path / "run", METHODS["movement"])
    trainer.train()
    model = model_of(trainer)
    weights = {one.name for one in Masks.of(model)}
    monkeypatch.setattr(
        HfApi,
        "upload_folder",
        lambda _, **options: uploaded.append(names_in(options["folder_path"])),
    )
    monkeypatch.setattr(
        HfApi, "create_repo", lambda *_, **__: type("Repo", (), {"repo_id": "me/model"})()
    )
    monkeypatch.setattr(PreTrainedModel, "_upload_modified_files", upload)
    monkeypatch.setattr(hub, "create_and_tag_model_card", lambda *_, **__: ModelCard("---\n---\n"))
    if how == "model":
        PreTrainedModel.push_to_hub(model, "me/model")
    else:
        monkeypatch.setattr(trainer, "create_model_card", lambda *_, **__: None)
        monkeypatch.setattr(trainer, "hub_model_id", "me/model")
        trainer.push_to_hub()
    [names] = uploaded
    assert weights <= names
    assert {f"{name[:-7]}.parametrizations.{name[-6:]}.original" for name in weights} <= names


def test_a_trainer_goes_on_from_its_own_checkpoint_without_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    changes = {"save_strategy": "steps", "save_steps": 4}
    trainer_of(tmp_path, METHODS["fisher"], changes=changes).train()
    again = trainer_of(tmp_path, METHODS["fisher"], changes=changes, schedule=SCHEDULE)
    again.train(resume_from_checkpoint=str(tmp_path / "checkpoint-8"))
    assert not [record for record in caplog.records if "keys" in record.message]
