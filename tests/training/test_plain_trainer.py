"""`transformers.Trainer` as it is, with the callback alone; and without it."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PreTrainedModel, Trainer

from fineprune import Masks, PruningCallback, count, finalize, parameter_groups
from fineprune.errors import TrainingError
from fineprune.pruning import Fisher, Magnitude, Method, SoftMovement
from tests.training.loop import (
    BEGIN,
    END,
    METHODS,
    SCHEDULE,
    STEPS,
    arguments,
    cubic,
    dataset,
    masked,
    model_of,
    state_of,
    trainer_of,
)


def plain_trainer(
    folder: Path, model: PreTrainedModel, *callbacks: Any, rate: float = 1e-2, **changes: Any
) -> Trainer:
    groups = parameter_groups(model, learning_rate=rate, score_learning_rate=rate)
    optimizer = torch.optim.SGD(groups)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
    return Trainer(
        model,
        arguments(folder, **changes),
        train_dataset=dataset(),
        optimizers=(optimizer, scheduler),
        callbacks=list(callbacks),
    )


@pytest.mark.parametrize("name", METHODS)
def test_the_callback_alone_ends_where_our_trainer_ends(name: str, tmp_path: Path) -> None:
    # Without clipping, under which the penalty's gradient would count among the rest.
    method, found = METHODS[name], []
    for make in (trainer_of, None):
        model = masked(method)
        groups = parameter_groups(model, learning_rate=1e-2, score_learning_rate=1e-2)
        optimizer = torch.optim.AdamW(groups, weight_decay=0.0)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
        common: dict[str, Any] = {
            "args": arguments(tmp_path, max_grad_norm=0.0),
            "train_dataset": dataset(),
            "optimizers": (optimizer, scheduler),
        }
        trainer = (
            make(tmp_path, None, model=model, **common)
            if make
            else Trainer(model, callbacks=[PruningCallback(SCHEDULE)], **common)
        )
        trainer.train()
        found.append(state_of(model))
    torch.testing.assert_close(found[1], found[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("clip", [0.0, 1.0])
def test_the_callback_adds_the_penaltys_gradient(clip: float, tmp_path: Path) -> None:
    # The weights stay where they are, so that the task's part is the same with and without it.
    lambda_final, steps = 50.0, {}
    for weight in (0.0, lambda_final):
        model = masked(SoftMovement(final_lambda=weight, initial_score=0.7))
        seen: list[dict[str, torch.Tensor]] = []
        trainer = plain_trainer(
            tmp_path, model, PruningCallback(SCHEDULE), rate=0.0, max_grad_norm=clip
        )
        optimizer = trainer.optimizer
        assert optimizer is not None
        optimizer.register_step_pre_hook(
            lambda *_, model=model, seen=seen: seen.append(
                {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
            )
        )
        trainer.train()
        steps[weight] = seen
    matrices = 12
    for step in range(STEPS):
        growth = cubic(step, 0.0, lambda_final, BEGIN, END)
        for name, gradient in steps[lambda_final][step].items():
            difference = gradient - steps[0.0][step][name]
            if not name.endswith("scores"):
                assert not difference.any(), name
                continue
            sigmoid = 1 / (1 + math.exp(-0.7))
            expected = growth * sigmoid * (1 - sigmoid) / gradient.numel() / matrices
            torch.testing.assert_close(
                difference, torch.full_like(difference, expected), rtol=1e-3, atol=1e-7
            )


def test_with_accumulation_the_penalty_is_added_once_a_step(tmp_path: Path) -> None:
    gradients = []
    for size, accumulation in ((8, 1), (2, 4)):
        model = masked(SoftMovement(keep=0.2))
        model.accepts_loss_kwargs = False  # type: ignore[assignment] # what its head gives is a mean
        trainer = plain_trainer(
            tmp_path,
            model,
            PruningCallback(SCHEDULE),
            per_device_train_batch_size=size,
            gradient_accumulation_steps=accumulation,
            max_grad_norm=0.0,
        )
        trainer.train()
        gradients.append(state_of(model))
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", [Magnitude(keep=0.2), Fisher(keep=0.2)], ids=lambda m: m.name)
def test_methods_without_scores_need_the_callback_alone(
    method: Method[Any], tmp_path: Path
) -> None:
    model = masked(method)
    Trainer(
        model,
        arguments(tmp_path),
        train_dataset=dataset(),
        callbacks=[PruningCallback(SCHEDULE)],
    ).train()
    assert count(model).density == pytest.approx(0.2, abs=1 / 256)
    assert count(finalize(model)).density == pytest.approx(0.2, abs=1 / 256)


def test_scores_without_groups_of_their_own_are_refused(tmp_path: Path) -> None:
    trainer = Trainer(
        masked(SoftMovement(keep=0.2)),
        arguments(tmp_path),
        train_dataset=dataset(),
        callbacks=[PruningCallback(SCHEDULE)],
    )
    with pytest.raises(TrainingError, match="trains scores and weights in one group"):
        trainer.train()


def test_the_callback_freezes_masks_and_releases_scores(tmp_path: Path) -> None:
    model = masked(SoftMovement(keep=0.2))
    callback = PruningCallback(SCHEDULE, freeze_after=0.5)
    trainer = plain_trainer(tmp_path, model, callback)
    trainer.train()
    assert Masks.of(model).frozen
    assert Masks.of(model).scores() == []
    assert trainer.optimizer is not None
    assert trainer.optimizer.param_groups[-1]["params"] == []


@pytest.mark.parametrize("name", ["magnitude", "movement", "fisher", "l0 to a density"])
def test_a_resumed_run_ends_as_one_that_was_not(name: str, tmp_path: Path) -> None:
    found = []
    for resumed in (None, str(tmp_path / "checkpoint-5")):
        model = masked(METHODS[name])
        optimizer = torch.optim.AdamW(parameter_groups(model, learning_rate=1e-2))
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
        Trainer(
            model,
            arguments(tmp_path, save_strategy="steps", save_steps=5),
            train_dataset=dataset(),
            optimizers=(optimizer, scheduler),
            callbacks=[PruningCallback(SCHEDULE)],
        ).train(resume_from_checkpoint=resumed)
        found.append(state_of(model))
    torch.testing.assert_close(found[1], found[0], rtol=0, atol=0)


# Without the callback.


@pytest.mark.parametrize("name", METHODS)
def test_a_trainer_that_moves_no_masks_is_noticed_at_its_second_step(
    name: str, tmp_path: Path
) -> None:
    trainer = plain_trainer(tmp_path, masked(METHODS[name]))
    with pytest.raises(TrainingError, match=r"PruningCallback .* or call Pruner\.step\(\)"):
        trainer.train()
    assert trainer.state.global_step == 1


@pytest.mark.parametrize("accumulation", [2, 3])
def test_accumulated_batches_before_the_first_step_are_no_reason(
    accumulation: int, tmp_path: Path
) -> None:
    trainer = plain_trainer(
        tmp_path,
        masked(METHODS["movement"]),
        gradient_accumulation_steps=accumulation,
        per_device_train_batch_size=2,
    )
    with pytest.raises(TrainingError, match="were not moved"):
        trainer.train()
    assert trainer.state.global_step == 1


def test_evaluation_alone_needs_no_callback(tmp_path: Path) -> None:
    trainer = plain_trainer(tmp_path, masked(METHODS["movement"]))
    first = trainer.evaluate(dataset(seed=5))
    assert trainer.evaluate(dataset(seed=5))["eval_loss"] == first["eval_loss"]
    assert Masks.of(model_of(trainer)).density() == 1
