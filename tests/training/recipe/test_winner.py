"""What a pruned recipe with a teacher leaves open becomes what won; others stay as they stand."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from fineprune.training import Distillation
from fineprune.training.augmentation import Augmentation
from fineprune.training.recipe import Recipe, TrainingSettings, read_recipe, resolved

OPEN: dict[str, Any] = {
    "model": "m",
    "teacher": "m",
    "task": {"kind": "text-classification", "train": "a.tsv", "text": "text", "label": "label"},
    "pruning": {"method": {"name": "fisher", "keep": 0.05}},
}
WON = Distillation(temperature=2.0, alpha_ce=0.0, alpha_kd=1.0, alpha_hidden=4.0)


def read(folder: Path, values: dict[str, Any], *overrides: str) -> Recipe:
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return read_recipe(path, overrides)


def test_what_is_open_is_what_won(tmp_path: Path) -> None:
    recipe = read(tmp_path, OPEN)
    assert recipe.distillation == WON
    assert recipe.augmentation == Augmentation(versions=7)
    found = recipe.training
    assert (found.epochs, found.batch_size, found.dropout) == (8, 64, 0.0)
    assert found.group_by_length
    assert found.freeze_embeddings


def test_what_is_said_stays(tmp_path: Path) -> None:
    said = {"training": {"epochs": 2, "dropout": 0.1}, "augmentation": None}
    recipe = read(tmp_path, {**OPEN, **said}, "training.freeze_embeddings=false")
    assert recipe.distillation == WON
    assert recipe.augmentation is None
    assert (recipe.training.epochs, recipe.training.dropout) == (2, 0.1)
    assert recipe.training.batch_size == 64
    assert not recipe.training.freeze_embeddings


def test_a_run_of_so_many_steps(tmp_path: Path) -> None:
    recipe = read(tmp_path, {**OPEN, "training": {"max_steps": 500}})
    assert recipe.training.epochs == TrainingSettings().epochs  # which does not count
    assert recipe.training.max_steps == 500


@pytest.mark.parametrize(
    "changes",
    [
        {"distillation": None},
        {"distillation": {"temperature": 4}},
        {"teacher": None},
        {"pruning": None},
        {"task": {"kind": "reranking", "train": "a.jsonl"}},
    ],
)
def test_others_are_taken_as_they_stand(changes: dict[str, Any], tmp_path: Path) -> None:
    recipe = read(tmp_path, {**OPEN, **changes})
    assert recipe.distillation is None or recipe.distillation.alpha_hidden == 0
    assert recipe.augmentation is None
    assert recipe.training.epochs == TrainingSettings().epochs
    assert recipe.training.dropout is None


def test_texts_of_questions_are_not_changed(tmp_path: Path) -> None:
    task = {"kind": "question-answering", "train": "a.json", "max_length": 384}
    recipe = read(tmp_path, {**OPEN, "task": task})
    assert recipe.distillation == WON
    assert recipe.augmentation is None


def test_a_resolved_recipe_is_what_it_says(tmp_path: Path) -> None:
    recipe = read(tmp_path, OPEN)
    assert read(tmp_path, resolved(recipe)) == recipe


def test_a_run_goes_on_as_it_began(tmp_path: Path) -> None:
    # One that began when nothing was filled in.
    before = read(tmp_path, {**OPEN, "distillation": None})
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text(yaml.safe_dump(resolved(before)), encoding="utf-8")
    new.write_text(yaml.safe_dump(OPEN), encoding="utf-8")
    assert read_recipe(new, resumed=old) == before
    now = read_recipe(new)
    old.write_text(yaml.safe_dump(resolved(now)), encoding="utf-8")
    assert read_recipe(new, resumed=old) == now


def test_a_run_does_not_go_on_otherwise_than_is_said(tmp_path: Path) -> None:
    before = read(tmp_path, OPEN)
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text(yaml.safe_dump(resolved(before)), encoding="utf-8")
    new.write_text(yaml.safe_dump({**OPEN, "augmentation": None}), encoding="utf-8")
    now = read_recipe(new, resumed=old)
    assert now.augmentation is None  # so that the run, which has it, refuses to go on
    assert now.distillation == before.distillation
