"""`fineprune init`: a recipe that is read, and trains."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
import yaml

from fineprune.tasks.classification import ClassificationSettings
from fineprune.training.recipe import Recipe, read_recipe
from fineprune.training.run import run
from tests.cli.conftest import Command, assert_one_line, names
from tests.workspace import Workspace

Write = Callable[[Path], Path]
ROWS = 60


def text(draw: random.Random, least: int = 4) -> str:
    return " ".join(f"w{draw.randrange(36)}" for _ in range(draw.randrange(least, 12)))


def write_reviews(folder: Path) -> Path:
    draw = random.Random(0)
    lines = ["id,review,sentiment"]
    lines += [f"{i},{text(draw)},{'bad' if i % 3 else 'good'}" for i in range(ROWS)]
    (folder / "reviews.csv").write_text("\n".join(lines), encoding="utf-8")
    return folder / "reviews.csv"


def write_pairs(folder: Path) -> Path:
    draw = random.Random(1)
    rows = [
        {"premise": text(draw), "hypothesis": text(draw), "label": i % 3, "genre": "fiction"}
        for i in range(ROWS)
    ]
    path = folder / "pairs.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def write_similarities(folder: Path) -> Path:
    draw = random.Random(2)
    rows = [
        {"sentence1": text(draw), "sentence2": text(draw), "score": draw.randrange(50) / 10}
        for _ in range(ROWS)
    ]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "sts.parquet")
    return folder / "sts.parquet"


def questions() -> list[dict[str, Any]]:
    draw = random.Random(3)
    rows = []
    for i in range(ROWS):
        words = text(draw, least=8).split()
        answers = {"text": [words[2]], "answer_start": [len(" ".join([*words[:2], ""]))]}
        rows.append(
            {"id": f"q{i}", "question": "w1 w2", "context": " ".join(words), "answers": answers}
        )
    return rows


def write_squad(folder: Path) -> Path:
    paragraphs = []
    for row in questions():
        answers = row["answers"]
        [answer] = zip(answers["text"], answers["answer_start"], strict=True)
        question = {
            "id": row["id"],
            "question": row["question"],
            "answers": [dict(zip(("text", "answer_start"), answer, strict=True))],
        }
        paragraphs.append({"context": row["context"], "qas": [question]})
    path = folder / "squad.json"
    path.write_text(json.dumps({"data": [{"title": "all", "paragraphs": paragraphs}]}))
    return path


def write_question_rows(folder: Path) -> Path:
    path = folder / "questions.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in questions()))
    return path


def write_question_table(folder: Path) -> Path:
    rows = [{name: row[name] for name in row if name != "id"} for row in questions()]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "questions.parquet")
    return folder / "questions.parquet"


def proposed(fineprune: Command, tmp_path: Path, *arguments: object) -> Recipe:
    """The recipe that the command writes, read."""
    output = tmp_path / "recipe.yaml"
    found = fineprune("init", *arguments, "--output", output)
    assert (found.code, found.err) == (0, "")
    return read_recipe(output)


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (write_reviews, {"text": ("review",), "label": "sentiment", "regression": False}),
        (write_pairs, {"text": ("premise", "hypothesis"), "label": "label", "regression": False}),
        (write_similarities, {"text": ("sentence1", "sentence2"), "regression": True}),
        (write_squad, {"kind": "question-answering", "unanswerable": False}),
        (write_question_rows, {"kind": "question-answering"}),
        (write_question_table, {"kind": "question-answering"}),
    ],
)
def test_the_recipe_trains(
    write: Write,
    expected: dict[str, Any],
    fineprune: Command,
    workspace: Workspace,
    tmp_path: Path,
) -> None:
    data = write(tmp_path)
    model = workspace.folder / "encoder"
    recipe = proposed(fineprune, tmp_path, data, "--model", model)
    assert {name: getattr(recipe.task, name) for name in expected} == expected
    assert recipe.model == str(model)
    assert recipe.task.max_length <= 32  # what the tokenizer says
    changes = ["training.max_steps=1", "training.report_to=[]", "training.precision=float32"]
    result = run(read_recipe(tmp_path / "recipe.yaml", changes), tmp_path / "run")
    assert result.metrics


def test_what_is_kept_for_validation(fineprune: Command, tmp_path: Path) -> None:
    recipe = proposed(fineprune, tmp_path, write_reviews(tmp_path))
    assert isinstance(recipe.task, ClassificationSettings)
    [train], [kept] = recipe.task.train, recipe.task.validation[""]
    chosen = {*train.choose(ROWS)}, {*kept.choose(ROWS)}
    assert chosen[0] | chosen[1] == {*range(ROWS)}
    assert not chosen[0] & chosen[1]
    assert {row % 3 == 0 for row in chosen[1]} == {True, False}  # both classes


def test_files_for_each_set(fineprune: Command, tmp_path: Path) -> None:
    files = []
    for name in ("train", "dev", "test"):
        (tmp_path / name).mkdir()
        files.append(write_reviews(tmp_path / name))
    recipe = proposed(fineprune, tmp_path, *files)
    assert isinstance(recipe.task, ClassificationSettings)
    found = [*recipe.task.train, *recipe.task.validation[""], *recipe.task.test[""]]
    assert [source.path for source in found] == list(map(str, files))
    assert all(source.rows is None for source in found)


def test_comments_say_what_was_seen(
    fineprune: Command, workspace: Workspace, tmp_path: Path
) -> None:
    model = workspace.folder / "encoder"
    output = tmp_path / "recipe.yaml"
    fineprune("init", write_reviews(tmp_path), "--model", model, "--output", output)
    content = output.read_text(encoding="utf-8")
    for said in (
        "2 classes: 'bad' 67%, 'good' 33%",
        f"counted by the tokenizer of {model}",
        "one row in",
        f"fineprune train {output}",
        "method: {name: fisher, keep: 0.05}",
    ):
        assert said in content
    other = tmp_path / "other.yaml"
    fineprune("init", tmp_path / "reviews.csv", "--model", "no/such", "--output", other)
    content = other.read_text(encoding="utf-8")
    assert "guessed from words" in content
    assert yaml.safe_load(content)["model"] == "no/such"


def test_nothing_is_overwritten(fineprune: Command, tmp_path: Path) -> None:
    data, output = write_reviews(tmp_path), tmp_path / "mine.yaml"
    output.write_text("mine")
    assert_one_line(fineprune, "init", data, "--output", output, said="is there already")
    assert output.read_text() == "mine"


def test_data_that_nothing_can_be_made_of(fineprune: Command, tmp_path: Path) -> None:
    (tmp_path / "numbers.csv").write_text("a,b\n1,2\n3,4\n")
    (tmp_path / "texts.csv").write_text("text\nw1 w2 w3\nw4 w5 w6\n")
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "broken.json").write_text("{")
    flat = '{"question": "w1", "context": "w2 w3", "answers": "w2"}\n'
    (tmp_path / "flat.jsonl").write_text(flat * 3)
    before = names(tmp_path)
    for name, said in (
        ("numbers.csv", "no column holds text beside the label"),
        ("texts.csv", "no column looks like a label"),
        ("empty.jsonl", "is empty"),
        ("broken.json", "not JSON"),
        ("flat.jsonl", "not in a form that recipes read"),
        ("nowhere.csv", "there is no such file"),
        ("notes.docx", "expected a file ending in"),
    ):
        output = tmp_path / "recipe.yaml"
        assert_one_line(fineprune, "init", tmp_path / name, "--output", output, said=said)
    assert names(tmp_path) == before
