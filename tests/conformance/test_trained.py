"""A model that was trained by a recipe answers in the engine as it does in evaluation."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from fineprune import Engine, pack
from fineprune.errors import UnsupportedModelError
from fineprune.pruning.finalize import finalize_folder
from fineprune.tasks.base import Evaluation
from fineprune.training.evaluate import evaluate
from fineprune.training.recipe import Recipe, parse_recipe
from fineprune.training.run import run
from tests.workspace import LABELS, Workspace, bert_config, make_tokenizer, workspace

__all__ = ["workspace"]

PRUNED = {"method": {"name": "magnitude", "keep": 0.5}}


def served(
    workspace: Workspace, folder: Path, kind: Any, **changes: Any
) -> tuple[Engine, Evaluation, Recipe]:
    """An engine on what a run came to, and what evaluation says of the packed file."""
    settings = {"training__max_steps": 4, "training__precision": "float32", **changes}
    values = workspace.recipe(kind, pruning=PRUNED, **settings)
    recipe = parse_recipe(values, "recipe")
    run(recipe, folder / "run")
    finalize_folder(folder / "run", folder / "plain")
    pack(folder / "plain", folder / "packed", bits=32, embedding_bits=32)
    return (
        Engine(folder / "packed", threads=1),
        evaluate(folder / "plain", recipe),
        recipe,
    )


def encoder(folder: Path, tokenizer: Any) -> str:
    """The encoder of workspaces with another tokenizer."""
    torch.manual_seed(0)
    config = bert_config(0.1, vocab_size=40, initializer_range=0.5)
    transformers.BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def texts_of(path: str) -> list[str]:
    return [line.split("\t")[0] for line in Path(path).read_text("utf-8").splitlines()[1:]]


def long_texts(folder: Path) -> str:
    """A validation set of texts of 20 words, of which the ends matter."""
    draw = np.random.default_rng(4)
    lines = [
        f"{' '.join(f'w{word}' for word in draw.integers(0, 36, 20))}\t{LABELS[i % 3]}"
        for i in range(30)
    ]
    path = folder / "long.tsv"
    path.write_text("text\tlabel\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("longest", [8, 32])
def test_classification(side: str, longest: int, workspace: Workspace, tmp_path: Path) -> None:
    tokenizer = make_tokenizer()
    tokenizer.truncation_side = side
    tokenizer.init_kwargs["truncation_side"] = side
    validation = long_texts(tmp_path)
    engine, evaluated, _ = served(
        workspace,
        tmp_path,
        "classification",
        model=encoder(tmp_path / "encoder", tokenizer),
        task__max_length=longest,
        task__validation=validation,
    )
    answers = engine(texts_of(validation))
    for found, expected in zip(answers, evaluated.predictions, strict=True):
        assert found["label"] == expected["label"]
        assert found["score"] == pytest.approx(expected["score"], abs=1e-4)
    words = [f"w{i}" for i in range(12)]
    kept = words[-6:] if side == "left" else words[:6]
    if longest == 8:
        assert (engine.limit.tokens, engine.limit.source) == (8, "task.max_length in recipe.yaml")
        assert engine(" ".join(words)) == engine(" ".join(kept))
    else:
        assert engine.limit.tokens == 32
        assert engine(" ".join(words)) != engine(" ".join(kept))


@pytest.mark.parametrize("names", [["input_ids", "attention_mask"], None])
def test_token_types_of_pairs(names: Any, workspace: Workspace, tmp_path: Path) -> None:
    tokenizer = make_tokenizer()
    if names:
        tokenizer.model_input_names = names
        tokenizer.init_kwargs["model_input_names"] = names
    rows = [f"w{i} w{i + 1}\tw{30 - i} w3\t{LABELS[i % 3]}" for i in range(24)]
    path = tmp_path / "pairs.tsv"
    path.write_text("a\tb\tlabel\n" + "\n".join(rows) + "\n", encoding="utf-8")
    engine, evaluated, _ = served(
        workspace,
        tmp_path,
        "classification",
        model=encoder(tmp_path / "encoder", tokenizer),
        task__train=str(path),
        task__validation=str(path),
        task__text=["a", "b"],
    )
    answers = engine([tuple(row.split("\t")[:2]) for row in rows])
    for found, expected in zip(answers, evaluated.predictions, strict=True):
        assert found["label"] == expected["label"]
        assert found["score"] == pytest.approx(expected["score"], abs=1e-4)


def impossible(source: str, path: Path) -> str:
    """The questions of a set, every second one without an answer."""
    content = json.loads(Path(source).read_text("utf-8"))
    for number, paragraph in enumerate(content["data"][0]["paragraphs"]):
        if number % 2:
            paragraph["qas"][0]["answers"] = []
    path.write_text(json.dumps(content), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"max_answer_length": 1},
        {"max_answer_length": 3, "n_best": 2, "stride": 2, "max_length": 12},
        {"unanswerable": True},
        {"unanswerable": True, "null_threshold": -0.3, "max_answer_length": 2},
        {"unanswerable": True, "null_threshold": 0.5, "max_length": 12, "stride": 3},
    ],
)
def test_question_answering(
    changes: dict[str, Any], side: str, workspace: Workspace, tmp_path: Path
) -> None:
    tokenizer = make_tokenizer()
    tokenizer.padding_side = side
    tokenizer.init_kwargs["padding_side"] = side
    task = workspace.task("question-answering")
    sets = {name: task[name] for name in ("train", "validation")}
    if changes.get("unanswerable"):
        sets = {name: impossible(path, tmp_path / f"{name}.json") for name, path in sets.items()}
    engine, evaluated, _ = served(
        workspace,
        tmp_path,
        "question-answering",
        model=encoder(tmp_path / "encoder", tokenizer),
        training__learning_rate=1e-3,
        **{f"task__{key}": value for key, value in {**sets, **changes}.items()},
    )
    paragraphs = json.loads(Path(sets["validation"]).read_text("utf-8"))["data"][0]["paragraphs"]
    found = engine(
        question=[one["qas"][0]["question"] for one in paragraphs],
        context=[one["context"] for one in paragraphs],
    )
    for one, answer in zip(paragraphs, found, strict=True):
        expected = evaluated.predictions[one["qas"][0]["id"]]
        for key in ("answer", "start", "end"):
            assert answer[key] == expected[key]
        assert answer["score"] == pytest.approx(expected["score"], abs=1e-4)


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ("task: {kind: text-classification, max_length: many}", "task.max_length in recipe.yaml"),
        ("task: {kind: text-classification, max_length: 0}", "beside the model is 0"),
        ("task: [", "recipe.yaml beside the model is no YAML"),
        ("[" * 5000, "recipe.yaml beside the model is no YAML"),
        ("a: b\n" * 300_000, "has 1,500,000 bytes; expected at most 1,048,576"),
    ],
)
def test_recipes_that_are_none(
    recipe: str, said: str, workspace: Workspace, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    encoder(folder, make_tokenizer())
    transformers.BertForSequenceClassification.from_pretrained(folder).save_pretrained(folder)
    (folder / "recipe.yaml").write_text(recipe, encoding="utf-8")
    pack(folder, tmp_path / "packed")
    with pytest.raises(UnsupportedModelError, match=said) as caught:
        Engine(tmp_path / "packed")("w1")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("recipe", ["", "# nothing", "- a", "task: 3", "task: {max_length: 2}"])
def test_recipes_of_others(recipe: str, workspace: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    encoder(folder, make_tokenizer())
    transformers.BertForSequenceClassification.from_pretrained(folder).save_pretrained(folder)
    (folder / "recipe.yaml").write_text(recipe, encoding="utf-8")
    pack(folder, tmp_path / "packed")
    assert Engine(tmp_path / "packed").limit.tokens == 32
