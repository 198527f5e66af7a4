"""Accuracy in the engine is that in PyTorch, and needs none."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from fineprune import pack
from fineprune.errors import CheckpointError, DataError, RecipeError
from fineprune.report.accuracy import accuracy_in_engine
from fineprune.tasks.base import Evaluation
from fineprune.tasks.recipe_file import read_task
from fineprune.training.evaluate import evaluate
from fineprune.training.recipe import parse_recipe
from tests.cli.conftest import Command, assert_one_line, fineprune, no_bars, one_object
from tests.tasks.test_without_pytorch import python
from tests.workspace import KINDS, VALIDATION_EXAMPLES, Kind, Workspace, workspace

__all__ = ["fineprune", "no_bars", "workspace"]


def packed(workspace: Workspace, kind: Kind, tmp_path: Path) -> Path:
    pack(workspace.teacher(kind), tmp_path / "packed", bits=32, embedding_bits=32)
    return tmp_path / "packed"


def written(values: dict[str, Any], folder: Path) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def in_engine(file: Path, values: dict[str, Any], folder: Path, **options: Any) -> Evaluation:
    return accuracy_in_engine(file, read_task(written(values, folder)), threads=1, **options)


def assert_close(found: Any, expected: Any) -> None:
    """Equal, but for the rounding of scores."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            assert_close(found[key], value)
    elif isinstance(expected, list):
        for one, other in zip(found, expected, strict=True):
            assert_close(one, other)
    else:
        assert found == (pytest.approx(expected, abs=1e-4) if type(expected) is float else expected)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_as_in_pytorch(kind: Kind, workspace: Workspace, tmp_path: Path) -> None:
    values = workspace.recipe(kind)
    found = in_engine(packed(workspace, kind, tmp_path), values, tmp_path)
    expected = evaluate(Path(workspace.teacher(kind)), parse_recipe(values, "recipe"))
    assert found.metrics == pytest.approx(expected.metrics, abs=1e-4)
    assert (found.examples, found.density) == (expected.examples, expected.density)
    assert_close(found.predictions, expected.predictions)


def test_several_sets(workspace: Workspace, tmp_path: Path) -> None:
    path = workspace.task("classification")["validation"]
    values = workspace.recipe(task__validation={"one": path, "two": [path, path]})
    found = in_engine(packed(workspace, "classification", tmp_path), values, tmp_path)
    expected = evaluate(Path(workspace.teacher()), parse_recipe(values, "recipe"))
    assert found.metrics == pytest.approx(expected.metrics, abs=1e-6)
    assert found.examples == 3 * VALIDATION_EXAMPLES
    assert found.predictions.keys() == {"one", "two"}


def test_only_the_split_that_is_scored_is_read(workspace: Workspace, tmp_path: Path) -> None:
    file = packed(workspace, "classification", tmp_path)
    values = workspace.recipe(task__train="gone.tsv", task__test="gone.tsv")
    assert in_engine(file, values, tmp_path).examples == VALIDATION_EXAMPLES
    with pytest.raises(DataError, match="there is no such file"):
        in_engine(file, values, tmp_path, split="test")


def test_dropped_rows_are_told_of(workspace: Workspace, tmp_path: Path, fineprune: Command) -> None:
    rows = Path(workspace.task("classification")["validation"]).read_text("utf-8")
    (tmp_path / "broken.tsv").write_text(rows + "w1 w2\tfourth\n", encoding="utf-8")
    values = workspace.recipe(
        task__validation=str(tmp_path / "broken.tsv"), task__broken_rows="drop"
    )
    recipe = written(values, tmp_path)
    file = packed(workspace, "classification", tmp_path)
    for model, options in ((file, ["--engine"]), (file, []), (Path(workspace.teacher()), [])):
        found = fineprune("evaluate", model, recipe, "--json", *options)
        assert found.code == 0
        assert "broken rows left out: 1" in found.err
        assert one_object(found.out)["examples"] == VALIDATION_EXAMPLES
        assert len(one_object(found.out)["notes"]) == 1


def test_on_the_command_line(workspace: Workspace, tmp_path: Path, fineprune: Command) -> None:
    file = packed(workspace, "question-answering", tmp_path)
    recipe = written(workspace.recipe("question-answering"), tmp_path)
    answers = tmp_path / "answers.json"
    arguments = ["evaluate", file, recipe, "task.max_answer_length=2", "--json"]
    in_engine = fineprune(*arguments, "--engine", "--threads", 1, "--predictions", answers)
    assert (in_engine.code, in_engine.err) == (0, "")
    written_by_engine = json.loads(answers.read_text("utf-8"))
    in_pytorch = fineprune(*arguments, "--predictions", answers)
    assert_close(one_object(in_engine.out), one_object(in_pytorch.out))
    assert_close(written_by_engine, json.loads(answers.read_text("utf-8")))
    said = "--precision and --threads are for --engine"
    assert_one_line(fineprune, *arguments, "--threads", 1, said=said)


@pytest.mark.parametrize("kind", KINDS)
def test_without_pytorch(kind: Kind, workspace: Workspace, tmp_path: Path) -> None:
    file = packed(workspace, kind, tmp_path)
    recipe = written(workspace.recipe(kind), tmp_path)
    printed = python(
        f"""
import sys
sys.argv = ["fineprune", "evaluate", {str(file)!r}, {str(recipe)!r}, "--engine", "--json"]
from fineprune.cli.main import main
try:
    main()
finally:
    assert "torch" not in sys.modules and "transformers" not in sys.modules
""",
        tmp_path,
    )
    assert json.loads(printed)["examples"] == VALIDATION_EXAMPLES


@pytest.mark.parametrize(
    ("kind", "changes", "error", "said"),
    [
        ("question-answering", {}, CheckpointError, "holds a BertForSequenceClassification, and"),
        ("regression", {}, CheckpointError, "has 3 outputs, and the task needs 1"),
        (
            "classification",
            {"task__labels": ["third", "second", "first"]},
            CheckpointError,
            "order",
        ),
        ("classification", {"task__kind": "none"}, RecipeError, "task.kind: expected one of"),
        ("classification", {"task__max_lenght": 3}, RecipeError, "did you mean max_length"),
        ("classification", {"task__max_length": 64}, RecipeError, "takes at most 32 tokens"),
        ("classification", {"task__validation": {}}, DataError, "names no validation data"),
    ],
)
def test_what_does_not_fit(
    kind: Kind,
    changes: dict[str, Any],
    error: type[Exception],
    said: str,
    workspace: Workspace,
    tmp_path: Path,
) -> None:
    file = packed(workspace, "classification", tmp_path)
    with pytest.raises(error, match=said) as caught:
        in_engine(file, workspace.recipe(kind, **changes), tmp_path)
    assert "\n" not in str(caught.value)
