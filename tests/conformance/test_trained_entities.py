"""Entities: what a recipe trains is what evaluation, the engine and the pipeline find."""

import json
from pathlib import Path
from typing import Any

import pytest
import transformers

from fineprune import Engine, pack
from fineprune.corpus.answers import Answerer
from fineprune.corpus.rows import Row
from fineprune.pruning.finalize import finalize_folder
from fineprune.report.accuracy import accuracy_in_engine
from fineprune.tasks.recipe_file import read_task
from fineprune.training.evaluate import evaluate
from fineprune.training.recipe import parse_recipe, read_recipe
from fineprune.training.run import run
from tests.workspace import Workspace, workspace

__all__ = ["workspace"]


@pytest.fixture(scope="module")
def folder(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, the plain model that it came to, and that packed."""
    folder = tmp_path_factory.mktemp("entities")
    values = workspace.recipe(
        "token-classification",
        teacher=workspace.teacher("token-classification"),
        training__class_weights="balanced",
        training__precision="float32",
        training__epochs=6,
        pruning__method={"name": "magnitude", "keep": 0.5},
    )
    run(parse_recipe(values, "test"), folder / "run")
    finalize_folder(folder / "run", folder / "plain")
    pack(folder / "plain", folder / "packed", bits=32, embedding_bits=32)
    return folder


def texts(workspace: Workspace) -> list[str]:
    content = Path(workspace.task("token-classification")["validation"]).read_text("utf-8")
    return [
        " ".join(line.split("\t")[0] for line in text.splitlines())
        for text in content.strip().split("\n\n")
    ]


def assert_alike(found: Any, expected: Any) -> None:
    assert [[{**one, "score": 0} for one in text] for text in found] == [
        [{**one, "score": 0} for one in text] for text in expected
    ]
    for text, other in zip(found, expected, strict=True):
        scores = [float(one["score"]) for one in other]
        assert [one["score"] for one in text] == pytest.approx(scores, abs=1e-4)


def test_the_engine_finds_what_the_run_found(workspace: Workspace, folder: Path) -> None:
    expected = json.loads((folder / "run" / "predictions.json").read_text("utf-8"))
    assert sum(map(len, expected)) > 5
    engine = Engine(folder / "packed", threads=1)
    assert max(len(text.split()) for text in texts(workspace)) > 10, "some are cut into windows"
    assert_alike(engine(texts(workspace)), expected)
    assert engine.limit.tokens == 12
    assert engine.limit.source == "task.max_length in recipe.yaml"


def test_evaluation_is_the_same_everywhere(folder: Path) -> None:
    recipe = folder / "run" / "recipe.yaml"
    expected = evaluate(folder / "plain", read_recipe(recipe))
    written = json.loads((folder / "run" / "metrics.json").read_text("utf-8"))
    assert expected.metrics == pytest.approx(written["metrics"])
    found = accuracy_in_engine(folder / "packed", read_task(recipe), threads=1)
    assert found.metrics == pytest.approx(expected.metrics)
    assert found.examples == expected.examples
    assert_alike(found.predictions, expected.predictions)


@pytest.mark.filterwarnings("ignore:Tokenizer does not support real words")
def test_the_pipeline_finds_the_same(workspace: Workspace, folder: Path) -> None:
    """In texts that need no windows, which it has to be told of."""
    make: Any = transformers.pipeline
    pipeline = make("token-classification", model=str(folder / "plain"), device="cpu")
    short = [text for text in texts(workspace) if len(text.split()) <= 10]
    engine = Engine(folder / "packed", threads=1)
    assert_alike(engine(short), pipeline(short, aggregation_strategy="first"))
    assert_alike(engine(short, aggregation_strategy="none"), pipeline(short))


def test_rows_of_a_table(workspace: Workspace, folder: Path) -> None:
    engine = Engine(folder / "packed", threads=1)
    answerer = Answerer(engine)
    rows = [Row(number, (text,)) for number, text in enumerate(texts(workspace))]
    found = [one["entities"] for one in answerer(rows)]
    assert_alike(found, engine(texts(workspace)))
