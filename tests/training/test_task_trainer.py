"""The trainer of recipes: evaluation by a task's own sets and metrics."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fineprune.pruning import Masks, Method, Movement, finalize
from fineprune.tasks.base import EvaluationSet
from fineprune.training.task_trainer import TaskTrainer
from tests.training.loop import (
    EXAMPLES,
    SCHEDULE,
    Recorder,
    arguments,
    cubic,
    dataset,
    masked,
    model_of,
)


def task_trainer(
    folder: Path, method: Method[Any], *sets: EvaluationSet, **changes: Any
) -> TaskTrainer:
    return TaskTrainer(
        masked(method),
        arguments(folder, **changes),
        train_dataset=dataset(),
        schedule=SCHEDULE,
        evaluation_sets=sets,
    )


def share_of_first_class(logits: tuple[np.ndarray, ...]) -> dict[str, float]:
    return {"share": float((logits[0].argmax(axis=1) == 0).mean())}


def evaluation_set(name: str = "", seed: int = 5) -> EvaluationSet:
    return EvaluationSet(
        name, dataset(seed=seed), EXAMPLES, share_of_first_class, lambda logits: logits[0].tolist()
    )


def test_evaluation_is_at_the_current_level_and_says_so(tmp_path: Path) -> None:
    trainer = task_trainer(
        tmp_path, Movement(keep=0.2), evaluation_set(), eval_strategy="steps", eval_steps=3
    )
    record = Recorder(trainer)
    trainer.train()
    found = [logs for logs in record.logs if "eval_share" in logs]
    levels = [cubic(step, 1.0, 0.2) for step in (3, 6, 9, 12)]
    assert [logs["eval_level"] for logs in found] == pytest.approx(levels)
    sizes = [one.weight.numel() for one in Masks.of(model_of(trainer))]
    densities = [sum(int(level * size) for size in sizes) / sum(sizes) for level in levels]
    assert [logs["eval_density"] for logs in found] == pytest.approx(densities)


def test_logits_are_those_of_the_finalized_model(tmp_path: Path) -> None:
    trainer = task_trainer(tmp_path, Movement(keep=0.2), evaluation_set())
    trainer.train()
    [found] = trainer.logits(evaluation_set())
    plain = finalize(model_of(trainer).train(False))
    with torch.no_grad():
        rows = torch.tensor(dataset(seed=5)["input_ids"][:])
        expected = plain(input_ids=rows).logits.numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_sets_with_names_have_metrics_and_predictions_of_their_own(tmp_path: Path) -> None:
    sets = [evaluation_set("matched", seed=5), evaluation_set("mismatched", seed=6)]
    trainer = task_trainer(tmp_path, Movement(), *sets)
    assert {"eval_matched_share", "eval_mismatched_share"} <= trainer.evaluate().keys()
    logits = [trainer.logits(one) for one in sets]
    predictions = trainer.predictions(logits)
    assert predictions.keys() == {"matched", "mismatched"}
    assert predictions["mismatched"] == logits[1][0].tolist()
