"""An optimizer of a user's own: scores apart from weights, or one clear error."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PreTrainedModel, Trainer

from fineprune import Masks, PruningCallback, attach, parameter_groups
from fineprune.errors import TrainingError
from fineprune.pruning import Fisher, Magnitude, Movement
from tests.training.loop import (
    SCHEDULE,
    STEPS,
    Recorder,
    arguments,
    dataset,
    masked,
    plain,
    state_of,
    trainer_of,
)

Optimizer = torch.optim.Optimizer


def constant(optimizer: Optimizer) -> torch.optim.lr_scheduler.LambdaLR:
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)


def together(model: PreTrainedModel) -> Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.0)


def with_decay(model: PreTrainedModel) -> Optimizer:
    groups = parameter_groups(model, learning_rate=1e-2)
    groups[-1].pop("weight_decay")
    return torch.optim.AdamW(groups, weight_decay=0.1)


def without_scores(model: PreTrainedModel) -> Optimizer:
    return torch.optim.AdamW(parameter_groups(model, learning_rate=1e-2)[:2])


WRONG: dict[str, tuple[Callable[[PreTrainedModel], Optimizer], str]] = {
    "together": (together, "trains scores and weights in one group, at one learning rate"),
    "with decay": (with_decay, "lets scores decay by 0.1"),
    "without scores": (without_scores, "trains 0 of 12 matrices of scores"),
}


def trainer(kind: str, folder: Path, model: PreTrainedModel, optimizer: Optimizer) -> Trainer:
    """Ours, or that of `transformers` with our callback."""
    optimizers = (optimizer, constant(optimizer))
    if kind == "ours":
        return trainer_of(folder, None, model=model, optimizers=optimizers)
    return Trainer(
        model,
        arguments(folder),
        train_dataset=dataset(),
        optimizers=optimizers,
        callbacks=[PruningCallback(SCHEDULE)],
    )


@pytest.mark.parametrize("kind", ["ours", "plain"])
@pytest.mark.parametrize("name", WRONG)
def test_an_optimizer_that_mixes_scores_and_weights(name: str, kind: str, tmp_path: Path) -> None:
    make, said = WRONG[name]
    model = masked(Movement(keep=0.2))
    before = state_of(model)
    with pytest.raises(TrainingError, match=said) as caught:
        trainer(kind, tmp_path, model, make(model)).train()
    assert "\n" not in str(caught.value)
    assert "parameter_groups(model, learning_rate=...)" in str(caught.value)
    torch.testing.assert_close(state_of(model), before, rtol=0, atol=0)


@pytest.mark.parametrize("kind", ["ours", "plain"])
def test_an_optimizer_that_was_made_before_attach(kind: str, tmp_path: Path) -> None:
    model = plain()
    optimizer = torch.optim.AdamW(parameter_groups(model, learning_rate=1e-2))
    attach(model, Movement(keep=0.2))
    before = state_of(model)
    with pytest.raises(TrainingError, match="was made before the masks were attached"):
        trainer(kind, tmp_path, model, optimizer).train()
    torch.testing.assert_close(state_of(model), before, rtol=0, atol=0)


@pytest.mark.parametrize("kind", ["ours", "plain"])
def test_an_optimizer_of_parameter_groups_trains(kind: str, tmp_path: Path) -> None:
    model = masked(Movement(keep=0.2))
    groups = parameter_groups(model, learning_rate=1e-3, score_learning_rate=0.5, weight_decay=0.3)
    optimizer = torch.optim.SGD(groups)
    before = state_of(model)
    one = trainer(kind, tmp_path, model, optimizer)
    record = Recorder(one)
    one.train()
    assert record.rates == [[1e-3, 1e-3, 0.5]] * STEPS
    masks = Masks.of(model)
    assert masks.density() == pytest.approx(0.2, abs=1 / 256)
    assert all(score.any() for score in masks.scores())
    # SGD, by hand: no decay of scores, and the same as the gradients that were seen.
    name = next(name for name in record.gradients[0] if name.endswith("scores"))
    steps = [-0.5 * gradients[name] for gradients in record.gradients]
    expected = before[name] + torch.stack(steps).sum(0)
    torch.testing.assert_close(model.get_parameter(name).detach(), expected)


def test_a_method_without_scores_takes_any_optimizer(tmp_path: Path) -> None:
    model = masked(Magnitude(keep=0.2))
    trainer("ours", tmp_path, model, together(model)).train()
    assert Masks.of(model).density() == pytest.approx(0.2, abs=1 / 256)


@pytest.mark.parametrize("optim", ["adafactor", "rmsprop", "adagrad"])
def test_optimizers_that_the_arguments_name(optim: str, tmp_path: Path) -> None:
    model = masked(Movement(keep=0.2))
    one = trainer_of(tmp_path, None, model=model, changes={"optim": optim, "weight_decay": 0.1})
    record = Recorder(one)
    one.train()
    assert all(len(rates) == 3 for rates in record.rates)
    assert Masks.of(model).density() == pytest.approx(0.2, abs=1 / 256)


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda groups: torch.optim.AdamW(groups, amsgrad=True),
        lambda groups: torch.optim.SGD(groups, momentum=0.9),
    ],
    ids=["keeps squared gradients", "keeps none"],
)
def test_fisher_ranks_by_what_any_optimizer_leaves(
    optimizer: Callable[[Any], Optimizer], tmp_path: Path
) -> None:
    model = masked(Fisher(keep=0.2))
    made = optimizer(parameter_groups(model, learning_rate=1e-2))
    trainer("plain", tmp_path, model, made).train()
    masks = Masks.of(model)
    sizes = sum(one.weight.numel() for one in masks)
    assert sum(masks.kept().values()) == int(0.2 * sizes)
    for one in masks:
        assert not one.weight[~one.mask.kept].any()
