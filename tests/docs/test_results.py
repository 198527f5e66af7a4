"""The page of results is what the ledger says, and its commands are ones that work."""

import importlib.util
import json
import shlex
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typer.main import get_command

from fineprune.cli.main import app
from fineprune.report.frontier.reading import frontier_from
from fineprune.report.frontier.records import Frontier, Machine, Point
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
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))  # where it finds the scripts beside it
        spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_ledger_says(ledger: ModuleType) -> None:
    head = (RESULTS / "head.md").read_text("utf-8")
    assert (ROOT / "docs" / "results.md").read_text("utf-8") == ledger.page(head, LEDGER)


def test_the_readme_is_what_the_ledger_says(ledger: ModuleType) -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert text.count(ledger.BEGIN) == text.count(ledger.END) == 1
    assert text == ledger.readme(text, LEDGER[ledger.IN_README])


def test_the_picture_is_what_the_ledger_says(ledger: ModuleType) -> None:
    frontier = ledger.shown(frontier_from(LEDGER[ledger.IN_README]["frontier"], "the ledger"))
    picture = (ROOT / "docs" / "frontier.svg").read_text("utf-8")
    assert picture == ledger.picture(frontier)
    assert "docs/frontier.svg" in (ROOT / "README.md").read_text("utf-8")


# Far apart, on top of each other, and all of one size.
MILLISECONDS = st.lists(st.sampled_from([0.3, 0.31, 1.0, 9.5, 80.0]), min_size=2, max_size=9)


@given(MILLISECONDS)
def test_a_picture_shows_every_point_and_its_label_in_both_panels(
    ledger: ModuleType, milliseconds: list[float]
) -> None:
    engines = ("fineprune", "onnxruntime", "torch", "openvino")
    points = [
        Point(
            engine=engines[place % 4],
            precision=("fast", "int8", "float32")[place % 3],
            density=0.5 ** (1 + place) if place % 4 == 0 else 1.0,
            bits=4,
            embedding_bits=4,
            metrics={"accuracy": 0.9 + place / 200},
            bytes=int(1e7 * value),
            milliseconds=value,
            texts_per_second=None,
        )
        for place, value in enumerate(milliseconds)
    ]
    machine = Machine("a CPU", 1, "avx2")
    text = ledger.picture(Frontier("a task", "test", "accuracy", 9, machine, points))
    root = ElementTree.fromstring(text)
    svg = "{http://www.w3.org/2000/svg}"
    shapes = [*root.iter(f"{svg}circle"), *root.iter(f"{svg}rect")]
    assert len(shapes) == 2 * len(points) + 3  # the legend has one of each kind
    texts = [one.text or "" for one in root.iter(f"{svg}text")]
    for point in points:
        name = f"{point.density:.2%}" if point.density < 0.01 else f"{point.density:.1%}"
        names = {"torch": "PyTorch", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}
        assert texts.count(names.get(point.engine, name.replace(".0%", "%"))) >= 2
    for one in shapes:
        x, y = (float(one.get(f"c{axis}", one.get(axis, ""))) for axis in "xy")
        assert 0 <= x <= 800
        assert 0 <= y <= 330


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


def save_run(folder: Path, seed: int, accuracy: float) -> Path:
    """What the ledger reads of a run and of its teacher, which is 0.2 better."""
    teacher = folder.with_suffix(".teacher")
    for one, value in ((folder, accuracy), (teacher, accuracy + 0.2)):
        one.mkdir()
        metrics = {"metrics": {"accuracy": value}, "examples": 12, "density": 0.05, "steps": 1200}
        (one / "metrics.json").write_text(json.dumps(metrics), "utf-8")
    training = {"batch_size": 4, "precision": "float32", "seed": seed}
    recipe = {"training": training, "teacher": str(teacher)}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe), "utf-8")
    return folder


def test_a_run_is_taken_up(
    ledger: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, again = (
        save_run(tmp_path / name, seed, accuracy)
        for name, seed, accuracy in (("run", 7, 0.5), ("again", 8, 0.6))
    )
    monkeypatch.setattr(ledger, "LEDGER", tmp_path / "ledger.json")
    monkeypatch.setattr(ledger, "PAGE", tmp_path / "results.md")
    for commit in ("old", "new"):
        ledger.add(
            "one", run, title="A run", command=["fineprune train r.yaml"], commit=commit,
            again=[again],
        )  # fmt: skip
    assert json.loads((tmp_path / "ledger.json").read_text("utf-8")).keys() == {"one"}
    page = (tmp_path / "results.md").read_text("utf-8")
    assert "## A run" in page
    assert "1,200 steps of 4 in float32, seed 7; 5.00% kept at the end: accuracy 0.5" in page
    assert "commit new" in page
    assert (
        "Seeds 7, 8, means and lowest to highest: accuracy 0.55 (0.5 to 0.6), of their dense "
        "teachers 0.75 (0.7 to 0.8)." in page
    )
    assert "$ fineprune train r.yaml" in page
