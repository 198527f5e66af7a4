"""Several labels a text: what a recipe trains is what evaluation and the engine say."""

import json
from pathlib import Path
from typing import Any

import pytest

from fineprune import Engine, pack
from fineprune.corpus.answers import Answerer
from fineprune.corpus.rows import Row
from fineprune.engine.errors import InputError
from fineprune.errors import CheckpointError, UnsupportedModelError
from fineprune.pruning.finalize import finalize_folder
from fineprune.training.evaluate import evaluate
from fineprune.training.recipe import parse_recipe
from fineprune.training.run import run
from tests.cli.conftest import Command, fineprune, no_bars, one_object
from tests.workspace import Workspace, workspace

__all__ = ["fineprune", "no_bars", "workspace"]

THRESHOLD = 0.6


@pytest.fixture(scope="module")
def file(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pruned model, packed in float32, beside `predictions.json` of its run."""
    folder = tmp_path_factory.mktemp("multi-label")
    values = workspace.recipe(
        "multi-label",
        task__threshold=THRESHOLD,
        teacher=workspace.teacher("multi-label"),
        training__class_weights="balanced",
        training__precision="float32",  # as the engine computes
        pruning__method={"name": "magnitude", "keep": 0.4},
    )
    run(parse_recipe(values, "test"), folder / "run")
    finalize_folder(folder / "run", folder / "plain")
    pack(folder / "plain", folder / "packed", bits=32, embedding_bits=32)
    return folder / "packed"


def texts(workspace: Workspace) -> list[str]:
    content = Path(workspace.task("multi-label")["validation"]).read_text("utf-8")
    return [json.loads(line)["text"] for line in content.splitlines()]


def assert_alike(found: Any, expected: Any) -> None:
    assert [[one["label"] for one in row] for row in found] == [
        [one["label"] for one in row] for row in expected
    ]
    for row, other in zip(found, expected, strict=True):
        scores = [one["score"] for one in other]
        assert [one["score"] for one in row] == pytest.approx(scores, abs=1e-4)


def test_the_engine_predicts_what_the_run_predicted(workspace: Workspace, file: Path) -> None:
    expected = json.loads((file.parent / "run" / "predictions.json").read_text("utf-8"))
    assert len({len(row) for row in expected}) > 1, "texts with different numbers of labels"
    engine = Engine(file, threads=1)
    assert_alike(engine(texts(workspace)), expected)
    assert_alike([engine(texts(workspace)[0])], expected[:1])


def test_thresholds_and_numbers(workspace: Workspace, file: Path) -> None:
    engine = Engine(file, threads=1)
    for text, every in zip(texts(workspace), engine(texts(workspace), top_k=None), strict=True):
        assert len(every) == 3
        assert sum(one["score"] for one in every) != pytest.approx(1)
        for threshold in (0, 0.3, 0.99):
            enough = [one for one in every if one["score"] >= threshold]
            assert_alike([engine(text, threshold=threshold)], [enough])
            assert_alike([engine(text, threshold=threshold, top_k=2)], [enough[:2]])
    with pytest.raises(InputError, match="threshold is 'high'; expected a number"):
        engine("w1", threshold="high")
    with pytest.raises(InputError, match="candidate_labels go without threshold"):
        engine("w1", threshold=0.5, candidate_labels=["a"])


def test_rows_of_a_table(workspace: Workspace, file: Path) -> None:
    engine = Engine(file, threads=1)
    answerer = Answerer(engine)
    assert list(answerer.columns) == ["answers", "error"]
    rows = [Row(number, (text,)) for number, text in enumerate(texts(workspace))]
    assert_alike([one["answers"] for one in answerer(rows)], engine(texts(workspace)))
    single = Answerer(Engine(file, threads=1), options={"top_k": 2})
    assert list(single.columns) == ["answers", "error"]


def test_a_text_without_labels_is_printed(file: Path, fineprune: Command) -> None:
    found = fineprune("predict", file, "w1 w2", "--option", "threshold=1.0", "--threads", 1)
    assert (found.code, found.err) == (0, "")
    assert "w1 w2" in found.out
    answer = fineprune("predict", file, "w1 w2", "--option", "threshold=1.0", "--json")
    assert one_object(answer.out) == {"answers": [[]]}


@pytest.mark.parametrize("value", ["high", -1, True])
def test_a_threshold_that_is_none(value: Any, workspace: Workspace, tmp_path: Path) -> None:
    plain = Path(workspace.teacher("multi-label"))
    for one in plain.iterdir():
        (tmp_path / one.name).write_bytes(one.read_bytes())
    task = {"kind": "text-classification", "multi_label": True, "threshold": value}
    (tmp_path / "recipe.yaml").write_text(json.dumps({"task": task}), encoding="utf-8")
    pack(tmp_path, tmp_path / "packed")
    with pytest.raises(UnsupportedModelError, match=r"task\.threshold in recipe"):
        Engine(tmp_path / "packed", threads=1)("w1")


def test_models_of_another_problem_are_refused(workspace: Workspace, tmp_path: Path) -> None:
    model = Path(workspace.teacher("multi-label"))
    values = workspace.recipe(task__labels=["first", "second", "third"])
    with pytest.raises(CheckpointError, match="was trained for multi label classification, and"):
        evaluate(model, parse_recipe(values, "test"))
    with pytest.raises(CheckpointError, match="was trained for multi label classification, and"):
        run(parse_recipe({**values, "teacher": str(model)}, "test"), tmp_path / "run")
