"""Evaluation of models that are there already."""

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import BertForMaskedLM

from fineprune.errors import CheckpointError, DataError, RecipeError
from fineprune.pruning.finalize import finalize_folder
from fineprune.tasks.base import split_named
from fineprune.training.evaluate import evaluate
from fineprune.training.recipe import parse_recipe
from fineprune.training.run import run
from tests.workspace import (
    KINDS,
    VALIDATION_EXAMPLES,
    Kind,
    Workspace,
    bert_config,
    make_model,
    make_tokenizer,
)


def numbers(predictions: Any) -> list[float]:
    """All numbers in predictions, in their order."""
    if isinstance(predictions, dict):
        predictions = list(predictions.values())
    if isinstance(predictions, list):
        return [number for one in predictions for number in numbers(one)]
    return [predictions] if isinstance(predictions, float) else []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "method", [{"name": "movement", "keep": 0.2}, {"name": "l0", "final_lambda": 9}]
)
def test_run_checkpoint_and_finalized_folder_score_the_same(
    kind: Kind, method: dict[str, object], workspace: Workspace, tmp_path: Path
) -> None:
    recipe = parse_recipe(workspace.recipe(kind, pruning__method=method), "test")
    result = run(recipe, tmp_path / "run")
    written = json.loads((tmp_path / "run" / "predictions.json").read_text(encoding="utf-8"))
    finalize_folder(tmp_path / "run", tmp_path / "plain")
    for folder in (tmp_path / "run", tmp_path / "run" / "checkpoint-12", tmp_path / "plain"):
        found = evaluate(folder, recipe)
        assert found.metrics == pytest.approx(result.metrics, rel=1e-6)
        assert found.density == result.density
        assert found.examples == result.examples == VALIDATION_EXAMPLES
        assert numbers(found.predictions) == pytest.approx(numbers(written), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_batches_of_like_length_leave_answers_in_the_order_of_the_data(
    kind: Kind, workspace: Workspace, tmp_path: Path
) -> None:
    grouped = parse_recipe(workspace.recipe(kind, training__group_by_length=True), "test")
    result = run(grouped, tmp_path / "run")
    plain = evaluate(tmp_path / "run", parse_recipe(workspace.recipe(kind), "test"))
    assert plain.metrics == pytest.approx(result.metrics, rel=1e-6)
    found = evaluate(tmp_path / "run", grouped)
    assert found.metrics == pytest.approx(result.metrics, rel=1e-6)
    expected = numbers(plain.predictions)
    assert numbers(found.predictions) == pytest.approx(expected, rel=1e-4, abs=1e-5)


def density_at(level: float) -> float:
    """Of the workspace's encoder: each matrix keeps the fraction, rounded down."""
    sizes = 2 * [*4 * [16 * 16], *2 * [16 * 24]]
    return sum(int(level * size) for size in sizes) / sum(sizes)


def test_a_checkpoint_is_evaluated_at_the_level_it_was_saved_at(
    workspace: Workspace, tmp_path: Path
) -> None:
    values = workspace.recipe(
        pruning__method={"name": "movement", "keep": 0.2},
        training__save_every=3,
        training__keep_checkpoints=4,
    )
    recipe = parse_recipe(values, "test")
    run(recipe, tmp_path)
    # 12 steps, half a warm-up of 1.2 before and four after: step 3 is 2 of 6 on.
    then = evaluate(tmp_path / "checkpoint-3", recipe).density
    assert then == density_at(0.2 + 0.8 * (1 - 2 / 6) ** 3)
    assert evaluate(tmp_path, recipe).density == density_at(0.2)


def test_a_model_with_other_labels(workspace: Workspace, tmp_path: Path) -> None:
    model = make_model()
    model.config.id2label = {0: "third", 1: "second", 2: "first"}
    model.save_pretrained(tmp_path)
    make_tokenizer().save_pretrained(tmp_path)
    recipe = parse_recipe(workspace.recipe(task__labels=["first", "second", "third"]), "test")
    with pytest.raises(CheckpointError, match="labels in another order"):
        evaluate(tmp_path, recipe)
    # Where the recipe leaves them open, they are those that the model predicts.
    turned: Any = make_model()
    turned.load_state_dict(model.state_dict())
    for head in (turned.classifier.weight, turned.classifier.bias):
        head.data = head.data.flip(0)
    turned.save_pretrained(tmp_path / "turned")
    make_tokenizer().save_pretrained(tmp_path / "turned")
    recipe = parse_recipe(workspace.recipe(), "test")
    assert evaluate(tmp_path, recipe).metrics == evaluate(tmp_path / "turned", recipe).metrics


def test_only_the_split_that_is_scored_is_read(workspace: Workspace) -> None:
    for kind in KINDS:
        values = workspace.recipe(kind, task__train="gone.json", task__test="gone.json")
        if kind != "question-answering":
            values["task"] |= {"train": "gone.tsv", "test": "gone.tsv"}
        found = evaluate(Path(workspace.teacher(kind)), parse_recipe(values, "test"))
        assert found.examples == VALIDATION_EXAMPLES


def test_dropped_rows_are_told_of(workspace: Workspace, tmp_path: Path) -> None:
    rows = Path(workspace.task("classification")["validation"]).read_text("utf-8")
    (tmp_path / "broken.tsv").write_text(rows + "w1 w2\tfourth\n", encoding="utf-8")
    values = workspace.recipe(
        task__validation=str(tmp_path / "broken.tsv"), task__broken_rows="drop"
    )
    found = evaluate(Path(workspace.teacher()), parse_recipe(values, "test"))
    assert found.examples == VALIDATION_EXAMPLES
    assert "broken rows left out: 1" in found.notes[0]


def test_a_model_without_a_head(workspace: Workspace, tmp_path: Path) -> None:
    BertForMaskedLM(bert_config()).save_pretrained(tmp_path)
    make_tokenizer().save_pretrained(tmp_path)
    for kind in KINDS:
        with pytest.raises(CheckpointError, match="is a BertForMaskedLM, and the task needs"):
            evaluate(tmp_path, parse_recipe(workspace.recipe(kind), "test"))


def test_a_split_without_data(workspace: Workspace) -> None:
    recipe = parse_recipe(workspace.recipe(), "test")
    with pytest.raises(DataError, match="names no test data"):
        evaluate(Path(workspace.teacher()), recipe, split="test")


def test_a_folder_without_a_tokenizer(workspace: Workspace, tmp_path: Path) -> None:
    make_model().save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="no tokenizer could be loaded") as caught:
        evaluate(tmp_path, parse_recipe(workspace.recipe(), "test"))
    assert "\n" not in str(caught.value)


def test_splits_by_name() -> None:
    assert [split_named(name) for name in ("validation", "test")] == ["validation", "test"]
    with pytest.raises(RecipeError, match="split 'train': expected one of 'validation', 'test'"):
        split_named("train")
