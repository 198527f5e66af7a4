from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fineprune.errors import RecipeError
from fineprune.training.arguments import (
    evaluation_arguments,
    require_possible,
    training_arguments,
)
from fineprune.training.recipe import TrainingSettings

SETTINGS = TrainingSettings(learning_rate=1e-4)


@pytest.mark.parametrize(
    ("batch_size", "accumulation", "processes", "share"),
    [(32, 1, 1, 32), (32, 4, 1, 8), (32, 1, 2, 16), (24, 3, 4, 2)],
)
def test_a_batch_is_shared_by_processes_and_accumulated_batches(
    batch_size: int, accumulation: int, processes: int, share: int, tmp_path: Path
) -> None:
    settings = replace(SETTINGS, batch_size=batch_size, accumulation=accumulation)
    arguments = training_arguments(settings, tmp_path, processes)
    assert arguments.per_device_train_batch_size == share
    assert arguments.gradient_accumulation_steps == accumulation


@pytest.mark.parametrize(("accumulation", "processes"), [(3, 1), (1, 5), (2, 3), (64, 1)])
def test_a_batch_that_cannot_be_shared(accumulation: int, processes: int) -> None:
    settings = replace(SETTINGS, batch_size=32, accumulation=accumulation)
    with pytest.raises(RecipeError) as caught:
        require_possible(settings, processes)
    assert str(caught.value) == (
        f"training.batch_size: 32 cannot be shared evenly by {processes} processes times "
        f"{accumulation} accumulated batches"
    )


@pytest.mark.parametrize(
    ("every", "strategy", "steps"),
    [(7, "steps", 7), ("epoch", "epoch", None), ("never", "no", None)],
)
def test_intervals(every: int | str, strategy: str, steps: int | None, tmp_path: Path) -> None:
    settings = replace(SETTINGS, evaluate_every=every, save_every=every)
    arguments = training_arguments(settings, tmp_path, processes=1)
    assert (arguments.eval_strategy, arguments.save_strategy) == (strategy, strategy)
    if steps:
        assert (arguments.eval_steps, arguments.save_steps) == (steps, steps)


def test_bfloat16(tmp_path: Path) -> None:
    arguments = training_arguments(replace(SETTINGS, precision="bfloat16"), tmp_path, 1)
    assert arguments.bf16
    assert not arguments.fp16


def test_evaluation_needs_no_tracker_no_gpu_and_no_even_shares(tmp_path: Path) -> None:
    settings = TrainingSettings(
        precision="float16", report_to=("abacus",), accumulation=3, evaluation_batch_size=5
    )
    arguments = evaluation_arguments(settings, tmp_path)
    assert arguments.fp16 == torch.accelerator.is_available()
    assert arguments.per_device_eval_batch_size == 5


def test_a_learning_rate_left_open_is_no_rate_of_zero(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="leaves its learning rate open"):
        training_arguments(TrainingSettings(), tmp_path, processes=1)
