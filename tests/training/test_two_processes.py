"""Two processes train as one does on the same batches."""

import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from fineprune.training.recipe import parse_recipe
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


def test_two_processes(
    workspace: Workspace, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    values: Mapping[str, Any] = workspace.recipe(
        model=str(workspace.folder / "calm-encoder"),
        teacher=workspace.teacher(),
        pruning__method={"name": "soft_movement", "final_lambda": 1},
    )
    run(parse_recipe(dict(values), "test"), tmp_path / "one")
    capfd.readouterr()
    port, both = free_port(), tmp_path / "two"
    cache, masks = tmp_path / "cache", [tmp_path / f"masks-{rank}" for rank in (0, 1)]
    assert exit_codes(
        *[(run_as_one_of, 2, rank, port, values, both, cache, masks[rank]) for rank in (0, 1)]
    ) == [0, 0]

    assert losses(both) == pytest.approx(losses(tmp_path / "one"), rel=1e-4)
    first, second = (load_file(path) for path in masks)
    assert len(first) == 12
    torch.testing.assert_close(second, first, rtol=0, atol=0)
    metrics = [
        json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("one", "two")
    ]
    assert metrics[0]["examples"] == metrics[1]["examples"]
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("step 5/12")]
    assert len(lines) == 1, "only the first process tells how it goes"
