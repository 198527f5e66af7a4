"""Two processes train as one does on the same batches, by every method."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

from fineprune.training.recipe import read_recipe
from fineprune.training.run import run
from tests.training.processes import exit_codes, free_port, run_as_one_of
from tests.workspace import Workspace

METHODS: dict[str, dict[str, Any]] = {
    "magnitude": {"name": "magnitude", "keep": 0.2},
    "movement": {"name": "movement", "keep": 0.2, "scope": "kind"},
    "soft movement": {"name": "soft_movement", "final_lambda": 1},
    "soft movement to a density": {"name": "soft_movement", "keep": 0.2},
    "fisher": {"name": "fisher", "keep": 0.2},
    "l0": {"name": "l0", "final_lambda": 1},
    "l0 to a density": {"name": "l0", "keep": 0.2},
    "threshold": {"name": "threshold"},
}


def losses(folder: Path) -> list[float]:
    state = json.loads((folder / "checkpoint-12" / "trainer_state.json").read_text("utf-8"))
    return [logs["loss"] for logs in state["log_history"] if "loss" in logs]


def recipe_of(workspace: Workspace, name: str) -> dict[str, Any]:
    return workspace.recipe(
        model=str(workspace.folder / "calm-encoder"),
        teacher=workspace.teacher(),
        pruning__method=METHODS[name],
        pruning__freeze_after=0.5 if name in ("fisher", "l0 to a density") else None,
        training__precision="float32",
        training__score_learning_rate=0.1,
    )


@pytest.fixture(scope="module")
def folders(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes left that trained every method, one after the other."""
    folder = tmp_path_factory.mktemp("two")
    names = {}
    for place, name in enumerate(METHODS):
        recipe = folder / f"{place}.yaml"
        recipe.write_text(yaml.safe_dump(recipe_of(workspace, name)), encoding="utf-8")
        names[name] = recipe
    # A process joins others once in its life: each recipe takes two of its own.
    for place, recipe in enumerate(names.values()):
        port, cache = free_port(), folder / "cache"
        left = [folder / f"{place}-first", folder / f"{place}-second"]
        output = folder / f"{place}"
        assert exit_codes(
            *[(run_as_one_of, 2, rank, port, recipe, output, cache, left[rank]) for rank in (0, 1)]
        ) == [0, 0]
    return folder


@pytest.mark.parametrize("name", METHODS)
def test_two_processes(name: str, folders: Path, tmp_path: Path) -> None:
    place = list(METHODS).index(name)
    one, two = tmp_path / "one", folders / f"{place}"
    run(read_recipe(folders / f"{place}.yaml"), one)
    left = [folders / f"{place}-first", folders / f"{place}-second"]

    assert losses(two) == pytest.approx(losses(one), rel=1e-4)
    first, second = (load_file(folder / "masks") for folder in left)
    assert len(first) == 12
    torch.testing.assert_close(second, first, rtol=0, atol=0)
    metrics = [json.loads((run / "metrics.json").read_text(encoding="utf-8")) for run in (one, two)]
    assert metrics[0]["examples"] == metrics[1]["examples"]
    assert metrics[0]["density"] == metrics[1]["density"]
    if "keep" in METHODS[name]:
        assert metrics[1]["density"] == pytest.approx(0.2, abs=1 / 256)
    # Only the first process tells how it goes and how it ended.
    out, err = ([(folder / name).read_text() for folder in left] for name in ("out", "err"))
    assert out[0].startswith(f"{two}: ")
    assert "\nstep 5/12  task loss " in err[0]
    assert out[1] == ""
    assert "step" not in err[1]
