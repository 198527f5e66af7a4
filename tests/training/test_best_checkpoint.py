"""The best checkpoint, and patience: of those at the final density alone."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import EarlyStoppingCallback, PreTrainedModel, Trainer

from fineprune import Masks, PruningCallback, count, load_model, parameter_groups
from fineprune.pruning import L0, Magnitude, Method, Movement, SoftMovement
from fineprune.pruning.masks import has_masks
from tests.training.loop import (
    END,
    SCHEDULE,
    STEPS,
    arguments,
    dataset,
    masked,
    model_of,
    trainer_of,
)

# Of 12 steps, the density is final from the end of step 8 on.
AT_THE_END: dict[str, Any] = {
    "eval_strategy": "steps",
    "save_strategy": "steps",
    "eval_steps": 1,
    "save_steps": 1,
    "load_best_model_at_end": True,
    "metric_for_best_model": "kept",
    "greater_is_better": True,
}


class Worse:
    """A metric that gets worse as fewer weights are kept, and then from step to step."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        self.evaluations = 0

    def __call__(self, answers: Any) -> dict[str, float]:
        self.evaluations += 1
        return {"kept": Masks.of(self._model).density() - 1e-3 * self.evaluations}


def make(
    kind: str, folder: Path, method: Method[Any], *callbacks: Any, **changes: Any
) -> tuple[Trainer, Worse]:
    model = masked(method)
    metric = Worse(model)
    freeze_after = changes.pop("freeze_after", None)
    options: dict[str, Any] = {
        "eval_dataset": dataset(seed=5),
        "compute_metrics": metric,
    }
    settings = {**AT_THE_END, **changes}
    if kind == "ours":
        one = trainer_of(
            folder,
            None,
            model=model,
            changes=settings,
            callbacks=list(callbacks),
            freeze_after=freeze_after,
            **options,
        )
        return one, metric
    pruning = PruningCallback(SCHEDULE, freeze_after=freeze_after)
    optimizer = torch.optim.AdamW(parameter_groups(model, learning_rate=1e-2))
    made = Trainer(
        model,
        arguments(folder, **settings),
        train_dataset=dataset(),
        callbacks=[*callbacks, pruning],
        optimizers=(optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)),
        **options,
    )
    return made, metric


def of_magnitude(kind: str, folder: Path, *callbacks: Any, **changes: Any) -> Trainer:
    return make(kind, folder, Magnitude(keep=0.2), *callbacks, **changes)[0]


@pytest.mark.parametrize("kind", ["ours", "plain"])
@pytest.mark.parametrize("every", [1, 2, 3])
def test_the_best_checkpoint_is_one_at_the_final_density(
    every: int, kind: str, tmp_path: Path
) -> None:
    trainer = of_magnitude(kind, tmp_path, eval_steps=every, save_steps=every)
    trainer.train()
    first = -(-END // every) * every
    assert trainer.state.best_model_checkpoint == str(tmp_path / f"checkpoint-{first}")
    assert trainer.state.best_global_step == first
    found = Masks.of(model_of(trainer)).density()
    assert found == load_count(tmp_path / f"checkpoint-{first}")
    assert found == pytest.approx(0.2, abs=1 / 256)


def load_count(folder: Path) -> float:
    return count(load_model(folder)).density


@pytest.mark.parametrize("kind", ["ours", "plain"])
def test_without_a_checkpoint_at_the_final_density_none_is_loaded(
    kind: str, tmp_path: Path
) -> None:
    trainer = of_magnitude(kind, tmp_path, eval_steps=5, save_steps=5, max_steps=9)
    # 9 steps, of which the last four recover: step 5 is the first at the final density.
    trainer.train()
    assert trainer.state.best_global_step == 5
    again = of_magnitude(kind, tmp_path / "again", eval_steps=4, save_steps=4, max_steps=9)
    again.train()
    assert again.state.best_global_step == 8
    assert Masks.of(model_of(again)).density() == pytest.approx(0.2, abs=1 / 256)


@pytest.mark.parametrize("kind", ["ours", "plain"])
@pytest.mark.parametrize("patience", [1, 2])
def test_only_evaluations_at_the_final_density_use_up_patience(
    patience: int, kind: str, tmp_path: Path
) -> None:
    stopping = EarlyStoppingCallback(early_stopping_patience=patience)
    trainer = of_magnitude(kind, tmp_path, stopping)
    trainer.train()
    # The first at the final density is the best; each one after it is worse.
    assert trainer.state.global_step == END + patience
    assert Masks.of(model_of(trainer)).density() == pytest.approx(0.2, abs=1 / 256)


@pytest.mark.parametrize("kind", ["ours", "plain"])
def test_a_dense_run_keeps_its_best(kind: str, tmp_path: Path) -> None:
    evaluations = iter(range(STEPS))
    trainer = trainer_of(
        tmp_path,
        None,
        eval_dataset=dataset(seed=5),
        compute_metrics=lambda answers: {"kept": -float(next(evaluations))},
        changes=AT_THE_END,
    )
    trainer.train()
    assert trainer.state.best_global_step == 1


def test_a_resumed_run_forgets_no_best_at_the_final_density(tmp_path: Path) -> None:
    whole = of_magnitude("ours", tmp_path / "whole")
    whole.train()
    state = json.loads((tmp_path / "whole/checkpoint-10/trainer_state.json").read_text("utf-8"))
    assert state["best_global_step"] == END
    resumed, metric = make("ours", tmp_path / "resumed", Magnitude(keep=0.2))
    metric.evaluations = 10
    resumed.train(resume_from_checkpoint=str(tmp_path / "whole/checkpoint-10"))
    assert resumed.state.best_global_step == END


FROZEN: dict[str, Method[Any]] = {
    "magnitude": Magnitude(keep=0.2),
    "movement": Movement(keep=0.2),
    "soft movement": SoftMovement(keep=0.2),
    "l0": L0(keep=0.2),
}


@pytest.mark.parametrize("kind", ["ours", "plain"])
@pytest.mark.parametrize("name", FROZEN)
def test_the_best_checkpoint_may_be_older_than_the_freeze(
    name: str, kind: str, tmp_path: Path
) -> None:
    # Masks freeze at step 10, and the best is that of step 8: what is loaded has to compute what
    # was saved, scores or no scores.
    trainer, _ = make(kind, tmp_path, FROZEN[name], freeze_after=0.5)
    rows = torch.tensor(dataset(seed=5)["input_ids"][:])
    trainer.train()
    assert trainer.state.best_global_step == END
    saved = load_model(tmp_path / f"checkpoint-{END}")
    assert has_masks(saved)
    with torch.no_grad():
        expected = saved(input_ids=rows).logits
        found = model_of(trainer).train(False)(input_ids=rows).logits
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    assert count(model_of(trainer)).density == count(saved).density
