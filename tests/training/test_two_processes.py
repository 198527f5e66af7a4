"""Two processes train as one does on the same batches."""

import json
import socket
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from fineprune.training.recipe import read_recipe
from fineprune.training.run import run
from tests.training.processes import exit_codes, run_as_one_of
from tests.workspace import Workspace


def losses(folder: Path) -> list[float]:
    state = json.loads((folder / "checkpoint-12" / "trainer_state.json").read_text("utf-8"))
    return [logs["loss"] for logs in state["log_history"] if "loss" in logs]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("localhost", 0))
        port: int = found.getsockname()[1]
    return port


def test_two_processes(workspace: Workspace, tmp_path: Path) -> None:
    values = workspace.recipe(
        model=str(workspace.folder / "calm-encoder"),
        teacher=workspace.teacher(),
        pruning__method={"name": "soft_movement", "final_lambda": 1},
    )
    recipe, one, two = (tmp_path / name for name in ("recipe.yaml", "one", "two"))
    recipe.write_text(yaml.safe_dump(values), encoding="utf-8")
    run(read_recipe(recipe), one)
    port, cache = free_port(), tmp_path / "cache"
    left = [tmp_path / "first", tmp_path / "second"]
    assert exit_codes(
        *[(run_as_one_of, 2, rank, port, recipe, two, cache, left[rank]) for rank in (0, 1)]
    ) == [0, 0]

    assert losses(two) == pytest.approx(losses(one), rel=1e-4)
    first, second = (load_file(folder / "masks") for folder in left)
    assert len(first) == 12
    torch.testing.assert_close(second, first, rtol=0, atol=0)
    metrics = [json.loads((run / "metrics.json").read_text(encoding="utf-8")) for run in (one, two)]
    assert metrics[0]["examples"] == metrics[1]["examples"]
    assert 0.1 < metrics[1]["density"] < 0.9
    # Only the first process tells how it goes and how it ended.
    out, err = ([(folder / name).read_text() for folder in left] for name in ("out", "err"))
    assert out[0].startswith(f"{two}: ")
    assert "\nstep 5/12  loss " in err[0]
    assert out[1] == ""
    assert "step" not in err[1]
