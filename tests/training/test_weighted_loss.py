"""Class weights in the loss of a run."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from fineprune.errors import FinepruneError
from fineprune.tasks.registry import load_task
from fineprune.training.recipe import parse_recipe, read_recipe
from fineprune.training.run import run
from fineprune.training.texts import text_tokenizer
from fineprune.training.weighted_loss import LossFunction, weighted_loss
from tests.workspace import LABELS, Kind, Workspace, make_tokenizer

LOGITS = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
PLACES = torch.tensor([0, 2, 2, 1, 0, 2])


def loss_of(workspace: Workspace, weights: Any) -> LossFunction:
    recipe = parse_recipe(workspace.recipe(training__class_weights=weights), "test")
    task = load_task(recipe.task)
    features = task.training_features(text_tokenizer(make_tokenizer()))
    loss = weighted_loss(task, recipe.training.class_weights, features)
    assert loss is not None
    return loss


def by_hand(weights: list[float]) -> float:
    """The mean over texts of weight times minus the logarithm of the probability."""
    probabilities = LOGITS.double().softmax(dim=1)
    terms: list[float] = [
        -weights[place] * float(probabilities[row, place].log().item())
        for row, place in enumerate(PLACES.tolist())
    ]
    return sum(terms) / len(terms)


def test_texts_weigh_what_their_classes_weigh(workspace: Workspace) -> None:
    # Of 16 training texts, 6, 5 and 5 are of the three classes.
    found = loss_of(workspace, "balanced")({"logits": LOGITS}, PLACES)
    assert float(found) == pytest.approx(by_hand([16 / 18, 16 / 15, 16 / 15]), rel=1e-5)
    found = loss_of(workspace, {"second": 9})({"logits": LOGITS}, PLACES)
    mean = (11 + 9 * 5) / 16
    assert float(found) == pytest.approx(by_hand([1 / mean, 9 / mean, 1 / mean]), rel=1e-5)


def test_accumulated_batches_add_up_to_one(workspace: Workspace) -> None:
    loss = loss_of(workspace, {"third": 5})
    whole = loss({"logits": LOGITS}, PLACES)
    parts = [
        loss({"logits": LOGITS[rows]}, PLACES[rows], torch.tensor(6))
        for rows in (slice(0, 1), slice(1, 4), slice(4, 6))
    ]
    torch.testing.assert_close(torch.stack(parts).sum(), whole)


def test_labels_that_are_left_out_weigh_nothing(workspace: Workspace) -> None:
    loss = loss_of(workspace, "balanced")
    labels = torch.cat([PLACES, torch.tensor([-100, -100])])
    padded = torch.cat([LOGITS, 9 * torch.ones(2, 3)])
    torch.testing.assert_close(
        loss({"logits": padded[None]}, labels[None]), loss({"logits": LOGITS}, PLACES)
    )


@pytest.mark.parametrize("pruned", [False, True])
def test_equal_weights_are_none(pruned: bool, workspace: Workspace, tmp_path: Path) -> None:
    changes: dict[str, Any] = {
        "training__epochs": 1,
        "training__accumulation": 2,
        "training__precision": "float32",
        "teacher": workspace.teacher(),
    }
    if pruned:
        changes["pruning__method"] = {"name": "magnitude", "keep": 0.5}
    found = {}
    for name, weights in (
        ("none", None),
        ("equal", dict.fromkeys(LABELS, 3)),
        ("unequal", {"first": 30}),
    ):
        values = workspace.recipe(**changes, training__class_weights=weights)
        run(parse_recipe(values, "test"), tmp_path / name)
        found[name] = load_file(tmp_path / name / "model.safetensors")
        assert read_recipe(tmp_path / name / "recipe.yaml").training.class_weights == weights
    for name, expected in found["none"].items():
        torch.testing.assert_close(found["equal"][name], expected, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(
        found["unequal"]["classifier.weight"], found["none"]["classifier.weight"], atol=1e-3
    )


@pytest.mark.parametrize(
    ("kind", "weights", "said"),
    [
        ("regression", "balanced", "training.class_weights: a number has no classes"),
        ("question-answering", "balanced", "training.class_weights: this task has no classes"),
        ("classification", {"fourth": 2}, "there is no label 'fourth'; the task has 'first'"),
    ],
)
def test_what_cannot_be_weighed(
    kind: Kind, weights: Any, said: str, workspace: Workspace, tmp_path: Path
) -> None:
    values = workspace.recipe(kind, training__class_weights=weights)
    with pytest.raises(FinepruneError, match=said):
        run(parse_recipe(values, "test"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "weights", ["even", 3, {}, [1, 2], {"first": 0}, {"first": "much"}, {"first": True}]
)
def test_what_are_no_weights(weights: Any, workspace: Workspace) -> None:
    with pytest.raises(
        FinepruneError, match=r"training\.class_weights: expected 'balanced', or weights above 0"
    ) as caught:
        parse_recipe(workspace.recipe(training__class_weights=weights), "test")
    assert "\n" not in str(caught.value)
