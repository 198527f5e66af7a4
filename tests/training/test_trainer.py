"""The trainer: its loss, optimizer, levels and log, against the formulas."""

import math
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, TrainerCallback
from transformers.integrations.integration_utils import TensorBoardCallback

from fineprune.errors import CheckpointError, TrainingError
from fineprune.pruning import (
    L0,
    Magnitude,
    Masks,
    Method,
    Movement,
    PruningSchedule,
    SoftMovement,
    count,
)
from fineprune.pruning.checkpoint import load_model
from fineprune.training import Distillation
from tests.training.loop import (
    BEGIN,
    END,
    STEPS,
    Recorder,
    cubic,
    dataset,
    masked,
    model_of,
    other,
    trainer_of,
)
from tests.workspace import Kind

# The loss.


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    logarithms = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return float(-logarithms[np.arange(len(labels)), labels].mean())


def softened(student: np.ndarray, teacher: np.ndarray, temperature: float) -> float:
    q, p = (
        np.exp(one / temperature) / np.exp(one / temperature).sum(axis=1, keepdims=True)
        for one in (student, teacher)
    )
    return float(temperature**2 * (p * np.log(p / q)).sum(axis=1).mean())


def batch(kind: Kind, size: int = 8) -> dict[str, Tensor]:
    return {name: torch.tensor(values) for name, values in dataset(kind)[:size].items()}


def outputs(model: PreTrainedModel, kind: Kind) -> list[np.ndarray]:
    with torch.no_grad():
        found = model.train()(input_ids=batch(kind)["input_ids"])
    return [value.double().numpy() for name, value in found.items() if name.endswith("logits")]


@pytest.mark.parametrize("kind", ["classification", "regression", "question-answering"])
def test_loss_is_the_weighted_sum_of_task_and_teacher(kind: Kind, tmp_path: Path) -> None:
    recipe = Distillation(temperature=3.0, alpha_ce=0.3, alpha_kd=0.8)
    trainer = trainer_of(tmp_path, Movement(), kind, teacher=other(kind), distillation=recipe)
    student, teacher = outputs(model_of(trainer), kind), outputs(other(kind), kind)
    answers = {name: value.numpy() for name, value in batch(kind).items()}
    if kind == "regression":
        task = float(np.square(student[0][:, 0] - answers["labels"]).mean())
        kd = float(np.square(student[0] - teacher[0]).mean())
    else:
        places = (
            [answers["start_positions"], answers["end_positions"]]
            if kind == "question-answering"
            else [answers["labels"]]
        )
        task = fmean([cross_entropy(*pair) for pair in zip(student, places, strict=True)])
        kd = fmean([softened(*pair, 3.0) for pair in zip(student, teacher, strict=True)])
    loss = trainer.compute_loss(model_of(trainer).train(), batch(kind))
    assert loss.item() == pytest.approx(0.3 * task + 0.8 * kd, rel=1e-5)


def test_without_a_teacher_the_loss_is_the_models(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, None)
    [logits] = outputs(model_of(trainer), "classification")
    labels = batch("classification")["labels"].numpy()
    loss = trainer.compute_loss(model_of(trainer).train(), batch("classification"))
    assert loss.item() == pytest.approx(cross_entropy(logits, labels), rel=1e-5)


def test_in_evaluation_the_loss_is_the_tasks_alone(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, L0(final_lambda=100), teacher=other())
    model = model_of(trainer).train(False)
    with torch.no_grad():
        expected = model(**batch("classification")).loss.item()
        assert trainer.compute_loss(model, batch("classification")).item() == expected


def test_penalty_adds_its_own_gradient_once(tmp_path: Path) -> None:
    lambda_final = 50.0
    method = SoftMovement(final_lambda=lambda_final, initial_score=0.7)
    steps = {}
    for weight in (0.0, lambda_final):
        method = SoftMovement(final_lambda=weight, initial_score=0.7)
        trainer = trainer_of(
            tmp_path, method, changes={"optim": "sgd", "learning_rate": 0.0, "max_grad_norm": 0.0},
            score_learning_rate=0.0,
        )  # fmt: skip
        record = Recorder(trainer)
        trainer.train()
        steps[weight] = record.gradients
    masks = Masks.of(masked(method))
    for step in (0, 5, 11):
        growth = cubic(step, 0.0, lambda_final, BEGIN, END)
        for name, gradient in steps[lambda_final][step].items():
            difference = gradient - steps[0.0][step][name]
            if not name.endswith("scores"):
                assert not difference.any()
                continue
            sigmoid = 1 / (1 + math.exp(-0.7))
            expected = growth * sigmoid * (1 - sigmoid) / gradient.numel() / len(masks)
            torch.testing.assert_close(
                difference, torch.full_like(difference, expected), rtol=1e-3, atol=1e-7
            )


# The optimizer.


def test_scores_are_a_group_of_their_own(tmp_path: Path) -> None:
    trainer = trainer_of(
        tmp_path, Movement(), changes={"weight_decay": 0.1}, score_learning_rate=0.5
    )
    optimizer = trainer.create_optimizer()
    masks = Masks.of(model_of(trainer))
    decayed, spared, scores = optimizer.param_groups
    assert {id(p) for p in scores["params"]} == {id(score) for score in masks.scores()}
    assert (scores["lr"], scores["weight_decay"]) == (0.5, 0.0)
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.1, 0.0)
    assert decayed["lr"] == spared["lr"] == 1e-2
    assert {id(one.weight) for one in masks} <= {id(p) for p in decayed["params"]}
    everything = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(everything) == sorted(id(p) for p in model_of(trainer).parameters())


def test_a_method_without_scores_adds_no_group(tmp_path: Path) -> None:
    assert len(trainer_of(tmp_path, Magnitude()).create_optimizer().param_groups) == 2


def test_weight_decay_never_reaches_the_scores(tmp_path: Path) -> None:
    # With weights that do not move, scores are all that could show it.
    found = []
    for decay in (0.0, 0.9):
        changes = {"learning_rate": 0.0, "weight_decay": decay}
        trainer = trainer_of(tmp_path, Movement(initial_score=2.0), changes=changes)
        trainer.train()
        found.append([score.detach().clone() for score in Masks.of(model_of(trainer)).scores()])
    assert any((score != 2.0).any() for score in found[0])
    for plain, decayed in zip(*found, strict=True):
        torch.testing.assert_close(decayed, plain, rtol=0, atol=0)


def test_both_rates_warm_up_and_fall_and_are_logged(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, Movement(), changes={"warmup_steps": 4}, score_learning_rate=0.5)
    record = Recorder(trainer)
    trainer.train()
    shape = [step / 4 if step < 4 else (STEPS - step) / (STEPS - 4) for step in range(STEPS)]
    assert record.rates == [pytest.approx([1e-2 * f, 1e-2 * f, 0.5 * f]) for f in shape]
    steps = [logs for logs in record.logs if "loss" in logs]
    assert [logs["learning_rate"] for logs in steps] == pytest.approx([1e-2 * f for f in shape])
    assert [logs["score_learning_rate"] for logs in steps] == pytest.approx(
        [0.5 * f for f in shape]
    )


# Levels and penalties.


@pytest.mark.parametrize(
    ("method", "initial", "final"),
    [
        (Magnitude(keep=0.2), 1.0, 0.2),
        (Movement(keep=0.2), 1.0, 0.2),
        (SoftMovement(final_lambda=30, cut=0.3), 0.0, 0.3),
    ],
    ids=["magnitude", "movement", "soft movement"],
)
def test_level_follows_the_formula(
    method: Method[Any], initial: float, final: float, tmp_path: Path
) -> None:
    trainer = trainer_of(tmp_path, method)
    record = Recorder(trainer)
    trainer.train()
    assert record.levels == pytest.approx(
        [cubic(step, initial, final, BEGIN, END) for step in range(STEPS)]
    )
    assert Masks.of(model_of(trainer)).level.value == final
    logged = [logs["level"] for logs in record.logs if "loss" in logs]
    assert logged == pytest.approx(
        [cubic(step, initial, final, BEGIN, END) for step in range(1, STEPS + 1)]
    )


def test_level_of_global_movement_is_the_fraction_of_all_matrices(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, Movement(keep=0.2, scope="global"))
    record = Recorder(trainer)
    trainer.train()
    size = sum(one.weight.numel() for one in Masks.of(model_of(trainer)))
    expected = [int(cubic(step, 1.0, 0.2, BEGIN, END) * size) for step in range(STEPS)]
    assert [int(level * size) for level in record.levels] == expected
    assert len({one.mask.level.value for one in Masks.of(model_of(trainer))}) > 1, "they compete"


def test_penalty_and_level_have_schedules_of_their_own(tmp_path: Path) -> None:
    method = SoftMovement(final_lambda=30, cut=0.3)
    late = PruningSchedule(warmup_steps=1, initial_warmup=6, final_warmup=1)
    trainer = trainer_of(tmp_path, method, penalty_schedule=late)
    record = Recorder(trainer)
    trainer.train()
    steps = range(STEPS)
    assert record.levels == pytest.approx([cubic(step, 0.0, 0.3, BEGIN, END) for step in steps])
    assert record.penalty_weights == pytest.approx([cubic(step, 0.0, 30, 6, 11) for step in steps])


def test_penalty_of_l0_is_constant(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, L0(final_lambda=7.0))
    record = Recorder(trainer)
    trainer.train()
    assert record.penalty_weights == [7.0] * STEPS


def test_schedule_too_short(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, Movement(), schedule=PruningSchedule(4, 1, 2))
    with pytest.raises(TrainingError, match="the run has 12 steps"):
        trainer.train()


# Evaluation.


def test_a_users_own_evaluation_says_density_and_level(tmp_path: Path) -> None:
    trainer = trainer_of(
        tmp_path,
        Movement(),
        eval_dataset=dataset(seed=5),
        compute_metrics=lambda answers: {"first": float(answers.predictions[0, 0])},
    )
    metrics = trainer.evaluate()
    assert {"eval_loss", "eval_first"} <= metrics.keys()
    assert (metrics["eval_density"], metrics["eval_level"]) == (1.0, 1.0)


# The log.


def test_log_says_what_the_loss_is_made_of(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, SoftMovement(final_lambda=30), teacher=other())
    record = Recorder(trainer)
    trainer.train()
    for step, logs in enumerate(logs for logs in record.logs if "loss" in logs):
        weight = record.penalty_weights[step]
        assert ("penalty" in logs) == (weight > 0)
        assert logs["loss"] == pytest.approx(
            0.1 * logs["task_loss"]
            + 0.9 * logs["distillation_loss"]
            + weight * logs.get("penalty", 0.0),
            rel=1e-5,
        )
    assert record.logs[-2]["density"] == count(model_of(trainer)).density


def test_parts_of_the_loss_are_means_over_the_steps_of_a_line(tmp_path: Path) -> None:
    def lines(every: int) -> list[dict[str, float]]:
        method, changes = SoftMovement(final_lambda=30), {"logging_steps": every}
        trainer = trainer_of(tmp_path / str(every), method, teacher=other(), changes=changes)
        record = Recorder(trainer)
        trainer.train()
        return [logs for logs in record.logs if "loss" in logs]

    each, together = lines(1), lines(4)
    assert len(together) == len(each) // 4
    for number, logs in enumerate(together):
        steps = each[4 * number : 4 * number + 4]
        for part in ("task_loss", "distillation_loss", "penalty"):
            values = [one[part] for one in steps if part in one]
            assert logs.get(part, 0.0) == pytest.approx(sum(values) / max(1, len(values)))


def test_log_says_where_the_floor_binds(tmp_path: Path) -> None:
    # All scores start at 0, so that sigmoid(S) = 0.5 lies under the cut once that has risen.
    trainer = trainer_of(tmp_path, SoftMovement(final_lambda=0.0, cut=0.9, floor=0.25))
    record = Recorder(trainer)
    trainer.train()
    first, last = record.logs[0], record.logs[-2]
    assert "matrices_at_floor" not in first
    assert last["matrices_at_floor"] == len(trainer.masks or ())
    assert last["density"] == pytest.approx(0.25, abs=0.01)


def test_only_trackers_get_the_density_of_each_matrix(tmp_path: Path) -> None:
    seen: list[dict[str, float]] = []

    class Tracker(TensorBoardCallback):
        def on_log(self, *_: Any, **kwargs: Any) -> None:
            seen.append(kwargs["logs"])

    trainer = trainer_of(tmp_path, Movement(keep=0.2), changes={"report_to": ["tensorboard"]})
    trainer.remove_callback(TensorBoardCallback)
    trainer.add_callback(Tracker)
    record = Recorder(trainer)
    trainer.train()
    densities = [logs for logs in seen if any(name.startswith("density/") for name in logs)]
    assert len(densities) == STEPS
    assert densities[-1] == {
        f"density/{name}": matrix.kept / matrix.total
        for name, matrix in count(model_of(trainer)).matrices.items()
    }
    assert not any(name.startswith("density/") for logs in record.logs for name in logs)


def test_a_dense_run_logs_nothing_of_pruning(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, None)
    record = Recorder(trainer)
    trainer.train()
    known = {name for logs in record.logs for name in logs}
    assert not known & {"density", "level", "penalty", "score_learning_rate", "penalty_weight"}


# Precision.


def test_scores_keep_float32_under_bfloat16(tmp_path: Path) -> None:
    # Around 8, neighbours in bfloat16 are 0.0625 apart: steps of 1e-3 would be lost.
    trainer = trainer_of(
        tmp_path, Movement(initial_score=8.0), changes={"bf16": True}, score_learning_rate=1e-3
    )
    trainer.train()
    assert {p.dtype for p in model_of(trainer).parameters()} == {torch.float32}
    for score in Masks.of(model_of(trainer)).scores():
        assert 0 < (score - 8.0).abs().max() < 0.02


@pytest.mark.parametrize(
    "method",
    [Magnitude(), Movement(scope="global"), SoftMovement(final_lambda=1.0), L0(final_lambda=1.0)],
    ids=lambda method: method.name,
)
def test_masks_are_the_same_under_bfloat16(method: Method[Any]) -> None:
    model = masked(method).train(False)
    masks = Masks.of(model)
    for score in masks.scores():
        nn.init.normal_(score, std=3.0)
    masks.set_level(method.final_level)
    layers = [module for module in model.modules() if hasattr(module, "parametrizations")]
    expected = [layer.weight for layer in layers]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = [layer.weight for layer in layers]
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


# What stops a run.


class Poison(TrainerCallback):
    """Puts a value into the model at a step."""

    def __init__(self, step: int, value: float, where: str) -> None:
        self._step, self._value, self._where = step, value, where

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step + 1 == self._step:
            layer = kwargs["model"].get_parameter(self._where)
            if self._value == 0:  # a finite loss with a gradient that is not
                layer.register_hook(lambda gradient: gradient / 0)
            else:
                with torch.no_grad():
                    layer.fill_(self._value)


def assert_all_checkpoints_are_good(folder: Path, steps: list[int]) -> None:
    assert sorted(path.name for path in folder.glob("checkpoint-*")) == [
        f"checkpoint-{step}" for step in steps
    ]
    for step in steps:
        model = load_model(folder / f"checkpoint-{step}")
        assert all(p.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize(
    ("value", "where", "said"),
    [
        (math.nan, "classifier.bias", r"step 5: the loss is not finite \(task_loss nan, penalty "),
        (0, "classifier.bias", r"step 5: the gradient is not finite \(first in classifier\.bias\)"),
    ],
    ids=["loss", "gradient"],
)
def test_a_run_stops_where_its_numbers_are_not_finite(
    value: float, where: str, said: str, tmp_path: Path
) -> None:
    trainer = trainer_of(
        tmp_path,
        SoftMovement(final_lambda=3.0),
        changes={"save_strategy": "steps", "save_steps": 2},
    )
    trainer.add_callback(Poison(5, value, where))
    with pytest.raises(TrainingError, match=said) as caught:
        trainer.train()
    assert "\n" not in str(caught.value)
    assert_all_checkpoints_are_good(tmp_path, [2, 4])


def test_weights_that_overflowed_are_not_saved(tmp_path: Path) -> None:
    # One step of finite gradients is enough, at such a rate.
    trainer = trainer_of(
        tmp_path,
        Movement(),
        changes={"learning_rate": 1e39, "save_strategy": "steps", "save_steps": 1},
    )
    with pytest.raises(TrainingError, match="step 1: the weights are not finite"):
        trainer.train()
    assert_all_checkpoints_are_good(tmp_path, [])


def test_teacher_with_other_labels(tmp_path: Path) -> None:
    teacher = other()
    teacher.config.id2label = {0: "first", 1: "third", 2: "second"}
    with pytest.raises(CheckpointError, match=r"the teacher predicts 3 labels .* another order"):
        trainer_of(tmp_path / "run", Movement(), teacher=teacher)
    assert not list((tmp_path / "run").iterdir())


def test_teacher_learns_nothing(tmp_path: Path) -> None:
    teacher = other()
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    trainer_of(tmp_path, Movement(), teacher=teacher).train()
    assert not any(p.requires_grad for p in teacher.parameters())
    torch.testing.assert_close(dict(teacher.state_dict()), before, rtol=0, atol=0)
