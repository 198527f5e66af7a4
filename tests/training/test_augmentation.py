"""Versions of texts: what stays, what changes, and how a run trains on them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from fineprune.errors import RecipeError
from fineprune.training.augmentation import Augmentation, augmented, nearest
from fineprune.training.recipe import parse_recipe
from fineprune.training.run import run
from tests.workspace import Workspace

CLS, SEP = 2, 3
EMBEDDINGS = torch.randn(40, 8, generator=torch.Generator().manual_seed(0))
TEXTS = st.lists(st.lists(st.integers(4, 39), min_size=0, max_size=9), min_size=1, max_size=12)


def features_of(texts: list[list[int]], pairs: bool = False) -> Dataset:
    rows = [[CLS, *text, SEP, *([7, 8, SEP] if pairs else [])] for text in texts]
    return Dataset.from_dict(
        {
            "input_ids": rows,
            "attention_mask": [[1] * len(row) for row in rows],
            "token_type_ids": [[0] * len(text) + [0, 0] + [1] * (3 * pairs) for text in texts],
            "labels": list(range(len(texts))),
        }
    )


def versions(texts: list[list[int]], seed: int = 0, pairs: bool = False, **changes: Any) -> Dataset:
    features = features_of(texts, pairs)
    return augmented(features, EMBEDDINGS, [0, 1, CLS, SEP], Augmentation(**changes), seed)


@settings(deadline=None)
@given(TEXTS, st.integers(0, 9), st.booleans())
def test_the_texts_stand_first_and_versions_are_model_inputs(
    texts: list[list[int]], seed: int, pairs: bool
) -> None:
    found = versions(texts, seed, pairs, versions=3)
    plain = features_of(texts, pairs)
    assert found.features == plain.features
    assert found[: len(texts)] == plain[:]
    assert len(found) == 4 * len(texts)
    longest = max(map(len, plain["input_ids"]))
    used = {token for text in texts for token in text} | {7, 8}
    for place, row in enumerate(found):
        ids = row["input_ids"]
        assert len(ids) <= longest
        assert len(ids) == len(row["attention_mask"]) == len(row["token_type_ids"])
        assert (ids[0], ids[-1], ids.count(CLS), ids.count(SEP)) == (CLS, SEP, 1, 1 + pairs)
        assert set(ids) - {CLS, SEP} <= used
        assert row["labels"] == place % len(texts)
        assert not texts[place % len(texts)] or len(ids) > 2, "something is left of every text"
        if pairs:
            assert row["token_type_ids"] == sorted(row["token_type_ids"])
            assert ids[row["token_type_ids"].index(1) - 1] == SEP


def test_the_same_for_the_same_seed() -> None:
    texts = [[5, 6, 9, 11, 4], [12, 13, 14, 15]]
    assert versions(texts, 1)[:] == versions(texts, 1)[:]
    assert versions(texts, 1)[:] != versions(texts, 2)[:]


def test_shares() -> None:
    random = np.random.default_rng(0)
    texts = random.integers(4, 40, (300, 20)).tolist()
    only: dict[str, Any] = {"versions": 1, "replaced": 0.0, "dropped": 0.0, "spliced": 0.0}
    assert versions(texts, **only)["input_ids"][300:] == features_of(texts)["input_ids"]

    replaced = versions(texts, **{**only, "replaced": 0.3})["input_ids"]
    pairs = [pair for i in range(300) for pair in zip(replaced[i], replaced[300 + i], strict=True)]
    inside = [(one, other) for one, other in pairs if one not in (CLS, SEP)]
    assert np.mean([one != other for one, other in inside]) == pytest.approx(0.3, abs=0.02)
    near = nearest(EMBEDDINGS, list(range(4, 40)), 15)
    assert all(one == other or other in near[one] for one, other in inside)

    dropped = versions(texts, **{**only, "dropped": 0.2})["input_ids"][300:]
    lengths = np.array([len(row) for row in dropped])
    assert (lengths == 22).mean() == pytest.approx(0.5, abs=0.1)
    assert (22 - lengths[lengths < 22]).mean() == pytest.approx(4, abs=0.5)

    spliced = versions(texts, **{**only, "spliced": 1.0})["input_ids"]
    ends = {tuple(row[-2:]) for row in spliced[:300]}
    for before, after in zip(spliced[:300], spliced[300:], strict=True):
        assert after[:2] == before[:2]
        assert tuple(after[-2:]) in ends


def test_the_nearest_are_those_of_the_largest_cosine() -> None:
    tokens = [3, 10, 11, 20, 30, 31]
    units = EMBEDDINGS / EMBEDDINGS.norm(dim=1, keepdim=True)
    for token, found in nearest(EMBEDDINGS, tokens, 2).items():
        others = [one for one in tokens if one != token]
        others.sort(key=lambda one: -float(units[one] @ units[token]))
        assert found.tolist() == others[:2]


def test_no_neighbours_at_all() -> None:
    assert versions([[5, 5]], versions=1, spliced=0.0, dropped=0.0)["input_ids"] == [
        [CLS, 5, 5, SEP],
        [CLS, 5, 5, SEP],
    ]


def recipe(workspace: Workspace, **changes: Any) -> dict[str, Any]:
    return workspace.recipe(
        **{
            "teacher": workspace.teacher(),
            "distillation": {"alpha_ce": 0.0, "alpha_kd": 1.0},
            "augmentation": {"versions": 2},
            "pruning__method": {"name": "fisher", "keep": 0.3},
            "pruning__schedule": {"warmup_steps": 1, "initial_warmup": 0, "final_warmup": 1},
            "training__precision": "float32",
            **changes,
        }
    )


def test_epochs_count_texts(workspace: Workspace, tmp_path: Path) -> None:
    values = recipe(workspace, training__keep_checkpoints=9)
    trained = run(parse_recipe(values, "test"), tmp_path / "run")
    assert trained.steps == 12, "three epochs of four steps, as without versions"
    folders = sorted(path.name for path in (tmp_path / "run").glob("checkpoint-*"))
    assert folders == ["checkpoint-12", "checkpoint-4", "checkpoint-8"]
    state = json.loads(
        (tmp_path / "run" / "checkpoint-12" / "trainer_state.json").read_text("utf-8")
    )
    evaluated = [line["step"] for line in state["log_history"] if "eval_accuracy" in line]
    assert evaluated == [4, 8, 12]


def test_versions_change_the_run(workspace: Workspace, tmp_path: Path) -> None:
    for name, augmentation in (("with", {"versions": 2}), ("without", None)):
        run(parse_recipe(recipe(workspace, augmentation=augmentation), "test"), tmp_path / name)
    first, second = (
        (tmp_path / name / "model.safetensors").read_bytes() for name in ("with", "without")
    )
    assert first != second


@pytest.mark.parametrize(
    "changes",
    [
        {"distillation": {"alpha_ce": 0.1}},
        {"distillation": None},
        {"distillation": None, "teacher": None},
    ],
)
def test_labels_of_versions_are_the_teachers(changes: dict[str, Any], workspace: Workspace) -> None:
    with pytest.raises(RecipeError, match="name a teacher, and set distillation"):
        parse_recipe(recipe(workspace, **changes), "test")


def test_answers_to_questions_would_move(workspace: Workspace, tmp_path: Path) -> None:
    values = recipe(workspace)
    values["task"] = workspace.task("question-answering")
    values["teacher"] = workspace.teacher("question-answering")
    with pytest.raises(RecipeError, match="answers to questions are places in a text"):
        run(parse_recipe(values, "test"), tmp_path / "run")
    assert not (tmp_path / "run").exists()
