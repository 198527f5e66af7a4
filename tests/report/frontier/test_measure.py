"""A run's models and the dense one, measured."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from fineprune import pack
from fineprune.report.accuracy import accuracy_in_engine
from fineprune.report.frontier import measure
from fineprune.report.rows import Run
from fineprune.report.speed.rivals import RIVALS, Rival
from fineprune.report.speed.shapes import Shape
from fineprune.report.speed.subject import Subject
from fineprune.training.evaluate import evaluate
from fineprune.training.recipe import parse_recipe
from fineprune.training.run import run
from tests.cli.conftest import Command, assert_one_line, fineprune, no_bars, one_object, write
from tests.workspace import KINDS, VALIDATION_EXAMPLES, Kind, Workspace, workspace

__all__ = ["fineprune", "no_bars", "workspace"]

DENSITIES = (0.5, 0.2)


def recipe(workspace: Workspace, kind: Kind = "classification", **changes: Any) -> dict[str, Any]:
    values = {
        "teacher": workspace.teacher(kind),
        "pruning__method": {"name": "fisher"},
        "pruning__densities": list(DENSITIES),
        "pruning__schedule": {"warmup_steps": 1, "initial_warmup": 0, "final_warmup": 1},
        "training__precision": "float32",
        "training__save_every": "never",
    }
    return workspace.recipe(kind, **{**values, **changes})


@pytest.fixture(scope="module")
def finished(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("frontier") / "run"
    run(parse_recipe(recipe(workspace), "test"), output)
    return output


def test_every_density_with_all_bits_in_all_precisions_and_the_dense_model(
    finished: Path, workspace: Workspace, tmp_path: Path, fineprune: Command
) -> None:
    file = write(recipe(workspace), tmp_path)
    found = fineprune(
        "frontier", finished, file, "--bits", "8,4/3", "--precision", "float32,int8",
        "--against", "torch", "--rounds", 1, "--threads", 1, "--json",
    )  # fmt: skip
    assert found.code == 0
    record = one_object(found.out)
    assert record == json.loads((finished / "frontier.json").read_text("utf-8"))
    assert (record["split"], record["metric"]) == ("validation", "accuracy")
    assert (record["task"], record["rows"]) == ("text-classification", VALIDATION_EXAMPLES)
    assert (record["machine"]["threads"], record["left_out"]) == (1, {})

    *ours, dense = record["points"]
    said = [(one["density"], one["bits"], one["embedding_bits"], one["precision"]) for one in ours]
    assert said == [
        (pytest.approx(density, abs=0.001), *bits, precision)
        for density in DENSITIES
        for bits in ((8, 8), (4, 3))
        for precision in ("float32", "int8")
    ]
    assert all(one["milliseconds"] > 0 and one["texts_per_second"] > 0 for one in ours)
    task = parse_recipe(recipe(workspace), "test").task
    pack(finished / "density-0.2", tmp_path / "packed", bits=4, embedding_bits=3)
    assert ours[-1]["bytes"] == (tmp_path / "packed").stat().st_size
    for one, precision in zip(ours[-2:], ("float32", "int8"), strict=True):
        expected = accuracy_in_engine(tmp_path / "packed", task, precision=precision, threads=1)  # type: ignore[arg-type]
        assert one["metrics"] == expected.metrics

    teacher = Path(workspace.teacher())
    assert (dense["engine"], dense["precision"]) == ("torch", "float32")
    assert (dense["density"], dense["bits"]) == (1.0, None)
    assert dense["metrics"] == evaluate(teacher, parse_recipe(recipe(workspace), "test")).metrics
    weights = (teacher / "model.safetensors").stat().st_size
    assert dense["bytes"] == pytest.approx(
        weights + (teacher / "tokenizer.json").stat().st_size, rel=0.1
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_plain_model_on_each_kind_of_task(
    kind: Kind, workspace: Workspace, tmp_path: Path, fineprune: Command
) -> None:
    values = {**workspace.recipe(kind), "teacher": workspace.teacher(kind)}
    output = tmp_path / "frontier.json"
    found = fineprune(
        "frontier", workspace.teacher(kind), write(values, tmp_path), "--bits", "32", "--against",
        "torch", "--precision", "float32", "--rounds", 1, "--threads", 1, "--output", output,
    )  # fmt: skip
    assert found.code == 0
    assert "32/32" in found.out
    ours, dense = json.loads(output.read_text("utf-8"))["points"]
    assert ours["metrics"] == pytest.approx(dense["metrics"], abs=1e-4)


def test_a_masked_model_and_no_dense_one(
    workspace: Workspace, tmp_path: Path, fineprune: Command
) -> None:
    changes: dict[str, Any] = {
        "pruning__method": {"name": "fisher", "keep": 0.3},
        "pruning__densities": [],
    }
    values = recipe(workspace, **changes)
    run(parse_recipe(values, "test"), tmp_path / "run")
    del values["teacher"]
    found = fineprune(
        "frontier", tmp_path / "run", write(values, tmp_path), "--bits", 8, "--precision",
        "float32", "--rounds", 1, "--threads", 1, "--json",
    )  # fmt: skip
    assert found.code == 0
    assert "no dense model: the recipe has no teacher; name one with --dense" in found.err
    [one] = one_object(found.out)["points"]
    assert one["density"] == pytest.approx(0.3, abs=0.001)
    assert one["metrics"].keys() == {"accuracy", "macro_f1"}


class Broken(Rival):
    """Cannot be prepared."""

    packages: tuple[str, ...] = ()
    runs_with: tuple[str, ...] = ()

    def prepare(self, subject: Subject) -> Path:
        raise RuntimeError("no such\noperator")

    def load(self, artifact: Path, shape: Shape | None, threads: int) -> Run:
        raise NotImplementedError


def use_rival(monkeypatch: pytest.MonkeyPatch, name: str, rival: Rival) -> None:
    """Puts it among the engines, as if it were installed."""
    monkeypatch.setattr(measure, "RIVALS", {**RIVALS, name: rival})
    monkeypatch.setattr(measure, "DENSE_ENGINES", (name,))
    monkeypatch.setattr(measure, "why_missing", lambda name, pythons: "")


def test_an_engine_that_fails_is_left_out(
    finished: Path,
    workspace: Workspace,
    tmp_path: Path,
    fineprune: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use_rival(monkeypatch, "openvino", Broken())
    found = fineprune(
        "frontier", finished, write(recipe(workspace), tmp_path), "--bits", 8, "--precision",
        "float32", "--against", "openvino", "--rounds", 1, "--threads", 1, "--json",
        "--output", tmp_path / "found.json",
    )  # fmt: skip
    assert found.code == 0
    why = "cannot be prepared: no such operator"
    assert f"left out: openvino: {why}" in found.err
    assert one_object(found.out)["left_out"] == {"openvino": why}


class Stops(Broken):
    """Can be prepared, and its process knows no such engine."""

    def prepare(self, subject: Subject) -> Path:
        return subject.packed


def test_an_engine_that_stops_is_left_out(
    finished: Path,
    workspace: Workspace,
    tmp_path: Path,
    fineprune: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use_rival(monkeypatch, "openvino-gone", Stops())
    found = fineprune(
        "frontier", finished, write(recipe(workspace), tmp_path), "--bits", "8,8", "--precision",
        "float32,float32", "--against", "openvino-gone,openvino-gone", "--rounds", 1,
        "--threads", 1, "--json", "--output", tmp_path / "found.json",
    )  # fmt: skip
    assert found.code == 0
    record = one_object(found.out)
    assert record["left_out"].keys() == {"openvino-gone"}
    assert len(record["points"]) == len(DENSITIES), "what is named twice is measured once"


def test_several_sets_are_compared_by_the_first(
    finished: Path, workspace: Workspace, tmp_path: Path, fineprune: Command
) -> None:
    path = workspace.task("classification")["validation"]
    values = recipe(workspace, task__validation={"one": path, "two": [path, path]})
    found = fineprune(
        "frontier", finished / "density-0.2", write(values, tmp_path), "--bits", 8, "--precision",
        "float32", "--against", "", "--rounds", 1, "--threads", 1,
        "--output", tmp_path / "found.json",
    )  # fmt: skip
    assert found.code == 0
    record = json.loads((tmp_path / "found.json").read_text("utf-8"))
    assert record["metric"] == "one_accuracy"
    assert record["points"][0]["metrics"].keys() >= {"one_accuracy", "two_accuracy"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--output", "no/such/folder/f.json"), "there is no folder"),
        (("--bits", "eight"), "--bits 'eight': expected numbers such as 8,4 or 4/3"),
        (("--bits", "9"), "bits"),
        (("--precision", "int4"), "--precision 'int4': expected some of 'float32'"),
        (("--against", "tensorrt"), "--against 'tensorrt': expected one of 'torch'"),
        (("--split", "train"), "split 'train': expected one of 'validation', 'test'"),
        (("--dense", "nowhere"), "nowhere holds no model"),
    ],
)
def test_wrong_options(
    options: tuple[str, ...],
    said: str,
    finished: Path,
    workspace: Workspace,
    tmp_path: Path,
    fineprune: Command,
) -> None:
    file = write(recipe(workspace), tmp_path)
    output = tmp_path / "frontier.json"
    arguments = ("frontier", finished, file, "--output", output, "--against", "torch", *options)
    assert_one_line(fineprune, *arguments, said=said)
    assert not output.exists()


def test_no_run(workspace: Workspace, tmp_path: Path, fineprune: Command) -> None:
    file = write(recipe(workspace), tmp_path)
    said = "holds no model; name a run that `fineprune train` has ended"
    assert_one_line(fineprune, "frontier", tmp_path, file, said=said)


def test_a_dense_model_with_another_tokenizer(
    finished: Path, workspace: Workspace, tmp_path: Path, fineprune: Command
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for path in Path(workspace.teacher()).iterdir():
        content = path.read_bytes()
        (other / path.name).write_bytes(
            content.replace(b'"w35"', b'"w99"') if path.name == "tokenizer.json" else content
        )
    file = write(recipe(workspace), tmp_path)
    arguments = ("frontier", finished, file, "--dense", other, "--against", "torch")
    assert_one_line(fineprune, *arguments, said="has another tokenizer than the pruned one")


def test_the_dense_model_has_the_labels_of_the_task(
    finished: Path, workspace: Workspace, tmp_path: Path, fineprune: Command
) -> None:
    other = tmp_path / "other"
    shutil.copytree(workspace.teacher(), other)
    config = json.loads((other / "config.json").read_text("utf-8"))
    config["id2label"] = {"0": "third", "1": "second", "2": "first"}
    config["label2id"] = {name: int(place) for place, name in config["id2label"].items()}
    (other / "config.json").write_text(json.dumps(config), "utf-8")
    file = write(recipe(workspace), tmp_path)
    arguments = ("frontier", finished, file, "--dense", other, "--against", "torch")
    assert_one_line(fineprune, *arguments, "--output", tmp_path / "f.json", said="order")


def test_a_run_of_densities_is_no_dense_model_by_them(
    finished: Path, workspace: Workspace, tmp_path: Path, fineprune: Command
) -> None:
    # It stands for its own model, whatever folders lie in it.
    file = write(recipe(workspace), tmp_path)
    found = fineprune(
        "frontier", finished / "density-0.5", file, "--dense", finished, "--bits", 8,
        "--precision", "float32", "--against", "torch", "--rounds", 1, "--threads", 1, "--json",
        "--output", tmp_path / "f.json",
    )  # fmt: skip
    assert found.code == 0
    assert len(one_object(found.out)["points"]) == 2
