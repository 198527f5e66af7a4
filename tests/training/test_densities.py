"""One run through several densities: what it leaves behind, its rates, and going on with it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import get_linear_schedule_with_warmup

from fineprune.errors import RecipeError
from fineprune.pruning.checkpoint import load_model
from fineprune.pruning.counts import count
from fineprune.pruning.masks import has_masks
from fineprune.pruning.schedule import PruningSchedule
from fineprune.pruning.stages import stages_of
from fineprune.training.rates import rewound
from fineprune.training.recipe import parse_recipe, read_recipe
from fineprune.training.run import run
from tests.workspace import Workspace

DENSITIES = [0.5, 0.3, 0.2]
SCHEDULE = {"warmup_steps": 1, "initial_warmup": 0, "final_warmup": 1}


def recipe(workspace: Workspace, **changes: Any) -> dict[str, Any]:
    return workspace.recipe(
        **{
            "teacher": workspace.teacher(),
            "pruning__method": {"name": "fisher"},
            "pruning__densities": DENSITIES,
            "pruning__schedule": SCHEDULE,
            "training__save_every": 3,
            "training__precision": "float32",
            **changes,
        }
    )


@pytest.fixture(scope="module")
def finished(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("densities") / "run"
    run(parse_recipe(recipe(workspace), "test"), output)
    return output


def test_a_folder_for_each_density(finished: Path) -> None:
    for density, step in zip(DENSITIES, (6, 9, 12), strict=True):
        folder = finished / f"density-{density}"
        model = load_model(folder)
        assert not has_masks(model)
        assert count(model).density == pytest.approx(density, abs=0.001)
        metrics = json.loads((folder / "metrics.json").read_text("utf-8"))
        assert metrics["steps"] == step
        assert metrics["density"] == pytest.approx(density, abs=0.001)
        assert set(metrics["metrics"]) == {"accuracy", "macro_f1"}
        assert (folder / "tokenizer.json").is_file()
    assert load_model(finished)


def test_the_last_one_is_the_run(finished: Path) -> None:
    last, whole = (
        json.loads((folder / "metrics.json").read_text("utf-8"))
        for folder in (finished / f"density-{DENSITIES[-1]}", finished)
    )
    assert last["metrics"] == whole["metrics"]


def test_the_recipe_says_both_and_reads_back(finished: Path) -> None:
    found = read_recipe(finished / "recipe.yaml")
    assert found.pruning is not None
    assert found.pruning.densities == tuple(DENSITIES)
    assert found.pruning.method.final_level.value == DENSITIES[-1]


@pytest.mark.parametrize("checkpoint", [3, 6, 9])
def test_a_resumed_run_leaves_the_same(
    checkpoint: int, workspace: Workspace, finished: Path, tmp_path: Path
) -> None:
    output = tmp_path / "run"
    run(parse_recipe(recipe(workspace, training__keep_checkpoints=9), "test"), output)
    for step in range(checkpoint + 3, 13, 3):
        shutil.rmtree(output / f"checkpoint-{step}")
    values = recipe(workspace, training__keep_checkpoints=9)
    run(parse_recipe(values, "test"), output, resume=True)
    for folder in ("", *(f"density-{density}" for density in DENSITIES)):
        name = "model.safetensors"
        assert (output / folder / name).read_bytes() == (finished / folder / name).read_bytes()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pruning__method": {"name": "fisher", "keep": 0.1}}, "keep is 0.1, and the densities"),
        ({"pruning__densities": [0.1, 0.2]}, "densities must fall"),
        ({"pruning__densities": [0.0]}, "keep must be above 0"),
        ({"pruning__method": {"name": "l0"}}, "l0 cannot pass through"),
        ({"training__max_steps": 3}, "train longer"),
    ],
)
def test_what_cannot_be(changes: dict[str, Any], message: str, workspace: Workspace) -> None:
    with pytest.raises(RecipeError, match=message):
        parse_recipe(recipe(workspace, **changes), "test")


def test_with_one_density_the_rate_is_that_of_a_linear_schedule() -> None:
    stages = stages_of(PruningSchedule(), 50)
    factor = rewound(stages, 0.1)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(()))], lr=1.0)
    linear = get_linear_schedule_with_warmup(optimizer, 5, 50)  # type: ignore[no-untyped-call]
    for step in range(51):
        assert factor(step) == pytest.approx(linear.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        linear.step()


def test_the_rate_starts_anew_in_every_stage() -> None:
    stages = stages_of(PruningSchedule(), 200, 3)
    factor = rewound(stages, 4)
    for stage in stages:
        assert factor(stage.start) == 0
        assert factor(stage.start + 4) == 1
        assert factor(stage.stop - 1) < 0.05
    assert factor(200) == 0
