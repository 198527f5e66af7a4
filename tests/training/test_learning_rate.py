"""The learning rate that a recipe leaves to the method."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from fineprune.pruning.methods.registry import METHODS
from fineprune.training.recipe import parse_recipe, read_recipe
from fineprune.training.run import run
from tests.workspace import Workspace


def rate(workspace: Workspace, method: dict[str, Any] | None, given: float | None = None) -> Any:
    values = workspace.recipe()
    del values["training"]["learning_rate"]
    if given is not None:
        values["training"]["learning_rate"] = given
    if method is not None:
        values["pruning"] = {"method": method}
    return parse_recipe(values, "test").training.learning_rate


def settings(name: str) -> dict[str, Any]:
    return {"name": name, **({"keep": 0.05} if name in ("soft_movement", "l0") else {})}


def test_of_a_dense_run(workspace: Workspace) -> None:
    assert rate(workspace, None) == 3e-5


@pytest.mark.parametrize("name", METHODS)
def test_of_a_pruned_run(name: str, workspace: Workspace) -> None:
    assert rate(workspace, settings(name)) == pytest.approx(
        3e-5 * METHODS[name].learning_rate_ratio
    )


@pytest.mark.parametrize("name", ["magnitude", "fisher", "movement", "soft_movement"])
def test_what_is_pruned_trains_at_a_multiple_of_the_dense_rate(
    name: str, workspace: Workspace
) -> None:
    assert 4 <= rate(workspace, settings(name)) / 3e-5 <= 10


@pytest.mark.parametrize("method", [None, {"name": "fisher"}])
@pytest.mark.parametrize("given", [2e-5, 0.0])
def test_what_is_given_wins(
    given: float, method: dict[str, Any] | None, workspace: Workspace
) -> None:
    assert rate(workspace, method, given) == given


def test_a_runs_recipe_says_it(workspace: Workspace, tmp_path: Path) -> None:
    values = workspace.recipe(pruning__method={"name": "fisher", "keep": 0.3}, training__epochs=2)
    del values["training"]["learning_rate"]
    run(parse_recipe(values, "test"), tmp_path / "run")
    written = yaml.safe_load((tmp_path / "run" / "recipe.yaml").read_text(encoding="utf-8"))
    assert written["training"]["learning_rate"] == pytest.approx(2.4e-4)
    assert read_recipe(tmp_path / "run" / "recipe.yaml").training.learning_rate == pytest.approx(
        2.4e-4
    )
