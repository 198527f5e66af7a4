"""Ctrl-C stops a run at once, and the run can go on."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fineprune.training.task_trainer import TaskTrainer
from tests.cli.conftest import Command
from tests.workspace import Workspace


@pytest.fixture(autouse=True)
def default_handler() -> Iterator[None]:
    """Python's own, in place of one that a test runner may have set."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_and_resume(
    fineprune: Command, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, run = tmp_path / "recipe.yaml", tmp_path / "run"
    # "auto" would be settled once for each of the two runs, and could be settled differently.
    values = workspace.recipe(
        pruning__method={"name": "movement"},
        training__save_every=5,
        training__precision="float32",
    )
    recipe.write_text(yaml.safe_dump(values), encoding="utf-8")
    step = TaskTrainer.training_step

    def interrupted(trainer: TaskTrainer, *args: Any, **kwargs: Any) -> Any:
        if trainer.state.global_step == 7:
            signal.raise_signal(signal.SIGINT)
        return step(trainer, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(TaskTrainer, "training_step", interrupted)
        stopped = fineprune("train", recipe, "--output", run)
    assert stopped.code == 130
    assert stopped.err.splitlines()[-1] == "fineprune: stopped"
    assert not (run / "metrics.json").exists()

    assert fineprune("train", recipe, "--output", run).code == 2, "without --resume it is taken"
    resumed = fineprune("train", recipe, "--output", run, "--resume")
    assert resumed.code == 0
    first = resumed.err.splitlines()[0]
    assert first.startswith("step 6/12"), "from the checkpoint at step 5 on"
    assert fineprune("train", recipe, "--output", tmp_path / "whole").code == 0
    weights = [(folder / "model.safetensors").read_bytes() for folder in (run, tmp_path / "whole")]
    assert weights[0] == weights[1]


def test_resuming_another_run(fineprune: Command, workspace: Workspace, tmp_path: Path) -> None:
    recipe, run = tmp_path / "recipe.yaml", tmp_path / "run"
    recipe.write_text(yaml.safe_dump(workspace.recipe()), encoding="utf-8")
    assert fineprune("train", recipe, "--output", run, "training.max_steps=1").code == 0
    changed = fineprune(
        "train", recipe, "--output", run, "--resume", "training.max_steps=1", "training.seed=3"
    )
    assert changed.code == 2
    [line] = changed.err.splitlines()
    assert "was started with training.seed=92, and the recipe now says 3" in line
