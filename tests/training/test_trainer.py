"""The trainer: its loss, optimizer, levels, evaluations and log, against the formulas."""

import math
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, TrainerCallback, TrainingArguments
from transformers.integrations.integration_utils import TensorBoardCallback

from fineprune.errors import CheckpointError, TrainingError
from fineprune.pruning import (
    L0,
    Magnitude,
    Masks,
    Method,
    Movement,
    SoftMovement,
    attach,
    count,
    finalize,
)
from fineprune.pruning.load import load_model
from fineprune.tasks.base import EvaluationSet
from fineprune.training import Distillation, FinePruningTrainer, PruningSchedule
from tests.workspace import WORDS, Kind, make_model

EXAMPLES, LENGTH, STEPS = 24, 6, 12
SCHEDULE = PruningSchedule(warmup_steps=2, initial_warmup=1, final_warmup=2)
BEGIN, END = 2, 8


def dataset(kind: Kind = "classification", seed: int = 0) -> datasets.Dataset:
    """Inputs of one length, so that batches of any size are made of the same rows."""
    draw = np.random.default_rng(seed)
    rows = {"input_ids": draw.integers(4, len(WORDS), (EXAMPLES, LENGTH)).tolist()}
    if kind == "question-answering":
        rows["start_positions"] = draw.integers(0, LENGTH, EXAMPLES).tolist()
        rows["end_positions"] = draw.integers(0, LENGTH, EXAMPLES).tolist()
    elif kind == "regression":
        rows["labels"] = draw.random(EXAMPLES).tolist()
    else:
        rows["labels"] = draw.integers(0, 3, EXAMPLES).tolist()
    return datasets.Dataset.from_dict(rows)


def masked(
    method: Method | None, kind: Kind = "classification", dropout: float = 0.0
) -> PreTrainedModel:
    torch.manual_seed(0)
    model = make_model(kind, dropout)
    if method is not None:
        attach(model, method)
    return model


def other(kind: Kind = "classification") -> PreTrainedModel:
    """A teacher: the same kind of model with other weights."""
    torch.manual_seed(1)
    model = make_model(kind)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model


def arguments(folder: Path, **changes: Any) -> TrainingArguments:
    settings: dict[str, Any] = {
        "max_steps": STEPS,
        "per_device_train_batch_size": 4,
        "learning_rate": 1e-2,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": True,
        "dataloader_pin_memory": False,
    }
    return TrainingArguments(str(folder), **{**settings, **changes})


def trainer_of(
    folder: Path,
    method: Method | None,
    kind: Kind = "classification",
    *,
    changes: Mapping[str, Any] = {},
    **options: Any,
) -> FinePruningTrainer:
    return FinePruningTrainer(
        masked(method, kind),
        arguments(folder, **changes),
        train_dataset=dataset(kind),
        **{"schedule": SCHEDULE, **options},
    )


def model_of(trainer: FinePruningTrainer) -> PreTrainedModel:
    assert isinstance(trainer.model, PreTrainedModel)
    return trainer.model


class Recorder(TrainerCallback):
    """Writes down what there is before each step, and what is logged."""

    def __init__(self, trainer: FinePruningTrainer) -> None:
        self.levels: list[float] = []
        self.penalty_weights: list[float] = []
        self.rates: list[list[float]] = []
        self.gradients: list[dict[str, Tensor]] = []
        self.logs: list[dict[str, float]] = []
        self._trainer = trainer
        trainer.add_callback(self)

    def on_step_begin(self, *_: Any, **kwargs: Any) -> None:
        if self._trainer.masks is not None:
            self.levels.append(self._trainer.masks.level.value)
        self.penalty_weights.append(self._trainer.penalty_weight)

    def on_pre_optimizer_step(self, *_: Any, **kwargs: Any) -> None:
        optimizer = self._trainer.optimizer
        assert optimizer is not None
        self.rates.append([group["lr"] for group in optimizer.param_groups])
        model: nn.Module = kwargs["model"]
        self.gradients.append(
            {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
        )

    def on_log(self, *_: Any, **kwargs: Any) -> None:
        self.logs.append(dict(kwargs["logs"]))


def cubic(step: int, initial: float, final: float, begin: int, end: int) -> float:
    """The schedule as the paper gives it, in steps instead of warm-ups."""
    if step <= begin:
        return initial
    if step > end:
        return final
    return final + (initial - final) * (1 - (step - begin) / (end - begin)) ** 3


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


@pytest.mark.parametrize("kind", ["classification", "question-answering"])
def test_accumulated_batches_give_the_gradient_of_the_big_one(kind: Kind, tmp_path: Path) -> None:
    gradients = []
    for size, accumulation in ((8, 1), (2, 4)):
        trainer = trainer_of(
            tmp_path,
            SoftMovement(final_lambda=20.0),
            kind,
            changes={
                "per_device_train_batch_size": size,
                "gradient_accumulation_steps": accumulation,
                "optim": "sgd",
                "max_grad_norm": 0.0,
            },
            teacher=other(kind),
            distillation=Distillation(),
        )
        record = Recorder(trainer)
        trainer.train()
        gradients.append(record.gradients)
        losses = [logs["loss"] for logs in record.logs if "loss" in logs]
        gradients[-1].append({"losses": torch.tensor(losses)})
    for big, accumulated in zip(*gradients, strict=True):
        torch.testing.assert_close(accumulated, big, rtol=1e-4, atol=1e-6)


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
    method: Method, initial: float, final: float, tmp_path: Path
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


def share_of_first_class(logits: tuple[np.ndarray, ...]) -> dict[str, float]:
    return {"share": float((logits[0].argmax(axis=1) == 0).mean())}


def evaluation_set(name: str = "", seed: int = 5) -> EvaluationSet:
    return EvaluationSet(
        name, dataset(seed=seed), EXAMPLES, share_of_first_class, lambda logits: logits[0].tolist()
    )


def test_evaluation_is_at_the_current_level_and_says_so(tmp_path: Path) -> None:
    trainer = trainer_of(
        tmp_path,
        Movement(keep=0.2),
        changes={"eval_strategy": "steps", "eval_steps": 3},
        evaluation_sets=[evaluation_set()],
    )
    record = Recorder(trainer)
    trainer.train()
    found = [logs for logs in record.logs if "eval_share" in logs]
    levels = [cubic(step, 1.0, 0.2, BEGIN, END) for step in (3, 6, 9, 12)]
    assert [logs["eval_level"] for logs in found] == pytest.approx(levels)
    sizes = [one.weight.numel() for one in Masks.of(model_of(trainer))]
    densities = [sum(int(level * size) for size in sizes) / sum(sizes) for level in levels]
    assert [logs["eval_density"] for logs in found] == pytest.approx(densities)


def test_logits_are_those_of_the_finalized_model(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, Movement(keep=0.2), evaluation_sets=[evaluation_set()])
    trainer.train()
    [found] = trainer.logits(evaluation_set())
    plain = finalize(model_of(trainer).train(False))
    with torch.no_grad():
        rows = torch.tensor(dataset(seed=5)["input_ids"][:])
        expected = plain(input_ids=rows).logits.numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_sets_with_names_have_metrics_and_predictions_of_their_own(tmp_path: Path) -> None:
    sets = [evaluation_set("matched", seed=5), evaluation_set("mismatched", seed=6)]
    trainer = trainer_of(tmp_path, Movement(), evaluation_sets=sets)
    assert {"eval_matched_share", "eval_mismatched_share"} <= trainer.evaluate().keys()
    logits = [trainer.logits(one) for one in sets]
    predictions = trainer.predictions(logits)
    assert predictions.keys() == {"matched", "mismatched"}
    assert predictions["mismatched"] == logits[1][0].tolist()


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
        assert logs["loss"] == pytest.approx(
            0.1 * logs["task_loss"]
            + 0.9 * logs["distillation_loss"]
            + record.penalty_weights[step] * logs["penalty"],
            rel=1e-5,
        )
    assert record.logs[-2]["density"] == count(model_of(trainer)).density


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
def test_masks_are_the_same_under_bfloat16(method: Method) -> None:
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
    assert not (tmp_path / "run").exists()


def test_teacher_learns_nothing(tmp_path: Path) -> None:
    teacher = other()
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    trainer_of(tmp_path, Movement(), teacher=teacher).train()
    assert not any(p.requires_grad for p in teacher.parameters())
    torch.testing.assert_close(dict(teacher.state_dict()), before, rtol=0, atol=0)
