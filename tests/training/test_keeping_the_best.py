"""The recipe's keys for the best checkpoint, early stopping and gradient checkpointing."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from fineprune.errors import FinepruneError, RecipeError
from fineprune.pruning.checkpoint import load_model
from fineprune.training.recipe import parse_recipe
from fineprune.training.run import run
from fineprune.training.run_folder import RunMetrics
from tests.workspace import Workspace

BY_STEPS: dict[str, Any] = {"training__evaluate_every": 1, "training__save_every": 1}
MAGNITUDE: dict[str, Any] = {"name": "magnitude", "keep": 0.3}


def train(values: dict[str, Any], output: Path, **options: Any) -> RunMetrics:
    return run(parse_recipe(values, "test"), output, **options)


def evaluations(run_folder: Path) -> dict[int, dict[str, float]]:
    log = json.loads((run_folder / "trainer_state.json").read_text("utf-8"))["log_history"]
    return {line["step"]: line for line in log if "eval_accuracy" in line}


@pytest.mark.parametrize("pruned", [False, True])
def test_a_run_ends_with_its_best(pruned: bool, workspace: Workspace, tmp_path: Path) -> None:
    # A rate that ruins the model from some step on.
    changes: dict[str, Any] = {"pruning__method": MAGNITUDE} if pruned else {}
    values = workspace.recipe(
        training__best_checkpoint=True, training__learning_rate=0.1, **BY_STEPS, **changes
    )
    result = train(values, tmp_path / "run")
    lines = evaluations(tmp_path / "run")
    if pruned:
        lines = {step: line for step, line in lines.items() if line["eval_density"] < 0.2999}
        assert len(lines) > 2
    best = max(line["eval_accuracy"] for line in lines.values())
    assert result.metrics["accuracy"] == best
    state = json.loads((tmp_path / "run" / "trainer_state.json").read_text("utf-8"))
    assert state["best_global_step"] in lines
    saved = load_file(tmp_path / "run" / "model.safetensors")
    kept = load_file(Path(state["best_model_checkpoint"]) / "model.safetensors")
    for name, value in kept.items():
        assert torch.equal(saved[name], value), name


def test_patience(workspace: Workspace, tmp_path: Path) -> None:
    # Without a learning rate nothing gets better: the first evaluation is the best.
    changes: dict[str, Any] = {
        "training__learning_rate": 0,
        "training__early_stopping": 2,
        **BY_STEPS,
    }
    result = train(workspace.recipe(**changes), tmp_path / "dense")
    assert result.steps == 3
    changes["pruning__method"] = MAGNITUDE
    changes["pruning__schedule"] = {"final_warmup": 4}
    result = train(workspace.recipe(**changes), tmp_path / "pruned")
    lines = evaluations(tmp_path / "pruned")
    final = [step for step, line in lines.items() if line["eval_density"] < 0.2999]
    assert result.steps == final[0] + 2 < 12
    assert result.density == pytest.approx(0.3, abs=0.01)


def test_a_resumed_run_has_the_patience_that_is_left(workspace: Workspace, tmp_path: Path) -> None:
    changes: dict[str, Any] = {
        "training__learning_rate": 0,
        "training__early_stopping": 3,
        **BY_STEPS,
    }
    values = workspace.recipe(**changes, training__keep_checkpoints=9)
    assert train(values, tmp_path / "run").steps == 4
    for step in (3, 4):
        (tmp_path / "run" / f"checkpoint-{step}" / "complete").unlink()
    assert train(values, tmp_path / "run", resume=True).steps == 4


@pytest.mark.parametrize("method", [None, {"name": "l0", "final_lambda": 1}, MAGNITUDE])
def test_activations_computed_twice_change_nothing(
    method: Any, workspace: Workspace, tmp_path: Path
) -> None:
    found = []
    for again in (False, True):
        values = workspace.recipe(
            training__gradient_checkpointing=again,
            training__freeze_embeddings=True,
            training__precision="float32",
            training__max_steps=6,
            teacher=workspace.teacher(),
            **({"pruning__method": method} if method else {}),
        )
        output = tmp_path / str(again)
        train(values, output)
        found.append(load_file(output / "model.safetensors"))
        load_model(output)
    for name, value in found[0].items():
        torch.testing.assert_close(found[1][name], value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"best_checkpoint": True, "save_every": "never"}, "best_checkpoint needs evaluations and"),
        ({"early_stopping": 2, "evaluate_every": "never"}, "early_stopping needs evaluations and"),
        ({"early_stopping": 2, "evaluate_every": 3}, "needs an evaluation of every checkpoint"),
        (
            {"best_checkpoint": True, "evaluate_every": 3, "save_every": 4},
            "save_every is 4, and evaluate_every 3",
        ),
        ({"early_stopping": 0}, "early_stopping"),
    ],
)
def test_what_has_no_best(changes: dict[str, Any], said: str, workspace: Workspace) -> None:
    values = workspace.recipe(**{f"training__{key}": value for key, value in changes.items()})
    with pytest.raises(RecipeError, match=said) as caught:
        parse_recipe(values, "test")
    assert "\n" not in str(caught.value)


def test_without_validation_data_there_is_no_best(workspace: Workspace, tmp_path: Path) -> None:
    values = workspace.recipe(training__early_stopping=1)
    del values["task"]["validation"]
    said = "training.early_stopping compares evaluations, and there are none"
    with pytest.raises(FinepruneError, match=said):
        train(values, tmp_path / "run")
    assert not (tmp_path / "run").exists()
