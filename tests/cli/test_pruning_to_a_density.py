"""From a recipe that says how much to keep, to a plain model that keeps it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.conftest import Command, one_object, write
from tests.workspace import Workspace

METHODS: dict[str, dict[str, Any]] = {
    "fisher": {"name": "fisher", "keep": 0.1},
    "soft movement": {"name": "soft_movement", "keep": 0.1},
    "l0": {"name": "l0", "keep": 0.1},
}


@pytest.mark.parametrize("name", METHODS)
def test_train_count_finalize_and_evaluate_agree(
    name: str, fineprune: Command, workspace: Workspace, tmp_path: Path
) -> None:
    values = workspace.recipe(
        pruning__method=METHODS[name],
        pruning__freeze_after=0.5,
        pruning__exclude=["*.query"],
        teacher=workspace.teacher(),
    )
    del values["training"]["learning_rate"]
    recipe, run, plain = write(values, tmp_path), tmp_path / "run", tmp_path / "plain"
    trained = fineprune("train", recipe, "--output", run)
    assert trained.code == 0, trained.err

    counted = one_object(fineprune("count", run, "--json").out)
    assert len(counted["matrices"]) == 10
    weights = 2 * (3 * 16 * 16 + 2 * 16 * 24)
    assert counted["prunable"] == weights
    assert counted["kept"] == int(0.1 * weights)
    evaluated = one_object(fineprune("evaluate", run, recipe, "--json").out)
    assert evaluated["density"] == counted["density"]

    assert fineprune("finalize", run, plain).code == 0
    recounted = one_object(fineprune("count", plain, "--json").out)
    assert recounted["density"] == counted["density"]
    again = one_object(fineprune("evaluate", plain, recipe, "--json").out)
    assert again["density"] == counted["density"]
    assert again["metrics"] == pytest.approx(evaluated["metrics"], rel=1e-6)

    written = yaml.safe_load((run / "recipe.yaml").read_text(encoding="utf-8"))
    assert written["training"]["precision"] in ("float32", "bfloat16")
    ratio = {"fisher": 8, "soft movement": 4, "l0": 1}[name]
    assert written["training"]["learning_rate"] >= 3e-5 * min(ratio, 1)
    assert written["pruning"]["freeze_after"] == 0.5
    assert fineprune("train", run / "recipe.yaml", "--output", run, "--resume").code == 0
