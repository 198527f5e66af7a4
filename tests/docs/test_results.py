"""The page of results is what the ledger says, and its commands are ones that work."""

import importlib.util
import json
import shlex
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from typer.main import get_command

from fineprune.cli.main import app
from fineprune.training.recipe import parse_recipe

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results"
LEDGER: dict[str, Any] = json.loads((RESULTS / "ledger.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def ledger() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ledger", ROOT / "benchmarks" / "ledger.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_ledger_says(ledger: ModuleType) -> None:
    head = (RESULTS / "head.md").read_text("utf-8")
    assert (ROOT / "docs" / "results.md").read_text("utf-8") == ledger.page(head, LEDGER)


@pytest.mark.parametrize("name", LEDGER)
def test_a_record_can_be_repeated(name: str) -> None:
    record = LEDGER[name]
    parse_recipe(record["recipe"], name)
    commands: Any = get_command(app)
    for line in record["commands"]:
        program, command, *arguments = shlex.split(line)
        assert program == "fineprune"
        found = commands.commands[command]
        known = {one for parameter in found.params for one in parameter.opts}
        assert {one for one in arguments if one.startswith("--")} <= known
        for recipe in (one for one in arguments if one.endswith(".yaml")):
            parse_recipe(yaml.safe_load((ROOT / recipe).read_text("utf-8")), recipe)


def test_a_run_is_taken_up(
    ledger: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "recipe.yaml").write_text(
        yaml.safe_dump({"training": {"batch_size": 4, "precision": "float32", "seed": 7}}), "utf-8"
    )
    metrics = {"metrics": {"accuracy": 0.5}, "examples": 12, "density": 0.05, "steps": 1200}
    (run / "metrics.json").write_text(json.dumps(metrics), "utf-8")
    monkeypatch.setattr(ledger, "LEDGER", tmp_path / "ledger.json")
    monkeypatch.setattr(ledger, "PAGE", tmp_path / "results.md")
    for commit in ("old", "new"):
        ledger.add("one", run, title="A run", command=["fineprune train r.yaml"], commit=commit)
    assert json.loads((tmp_path / "ledger.json").read_text("utf-8")).keys() == {"one"}
    page = (tmp_path / "results.md").read_text("utf-8")
    assert "## A run" in page
    assert "1,200 steps of 4 in float32, seed 7; 5.00% kept at the end: accuracy 0.5" in page
    assert "commit new" in page
    assert "$ fineprune train r.yaml" in page
