"""A run that is killed and resumed ends as one that was not: bit by bit."""

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fineprune.errors import TrainingError
from fineprune.training.checkpoints import last_checkpoint
from fineprune.training.recipe import parse_recipe
from fineprune.training.run import run
from tests.training.processes import Moment, exit_codes, run_until
from tests.workspace import Workspace

METHODS: dict[str, dict[str, Any]] = {
    "global movement": {"name": "movement", "keep": 0.3, "scope": "global"},
    "soft movement": {"name": "soft_movement", "final_lambda": 1},
    "l0": {"name": "l0", "final_lambda": 1},
    "magnitude": {"name": "magnitude", "keep": 0.3},
    "fisher": {"name": "fisher", "keep": 0.3},
    "soft movement to a density": {"name": "soft_movement", "keep": 0.3},
    "l0 to a density": {"name": "l0", "keep": 0.3},
    "threshold": {"name": "threshold"},
}

TRAINER = "fineprune.training.task_trainer:TaskTrainer"

MOMENTS: dict[str, tuple[Moment, int | None]] = {
    "before the first checkpoint": (Moment(f"{TRAINER}.training_step", 2), None),
    "a checkpoint's weights written, its optimizer not": (
        Moment("transformers:Trainer._save_optimizer_and_scheduler", 2),
        3,
    ),
    "a checkpoint written, but not marked": (
        Moment("fineprune.training.checkpoints:CompletionCallback.on_save", 2),
        3,
    ),
    "with an old checkpoint half deleted": (Moment("os:rmdir", 1), 6),
    "within an epoch": (Moment(f"{TRAINER}.training_step", 11), 9),
    "before the model is saved": (Moment(f"{TRAINER}.save_model", 5), 12),
    # The first rename is that of the recipe.
    "with half of the model in its place": (Moment("pathlib:Path.replace", 4), 12),
    "before the metrics": (Moment("fineprune.training.run_folder:write_json", 2), 12),
}
"""Each with the step of the last whole checkpoint at that moment, where there is one at every 3."""


@pytest.fixture(scope="module")
def finished(
    workspace: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[dict[str, Any]], Path]:
    """The folder of an uninterrupted run; each recipe runs once."""
    folders: dict[str, Path] = {}

    def finish(values: dict[str, Any]) -> Path:
        key = repr(values)
        if key not in folders:
            folders[key] = tmp_path_factory.mktemp("finished") / "run"
            run(parse_recipe(values, "test"), folders[key])
        return folders[key]

    return finish


def recipe(workspace: Workspace, method: str, **changes: Any) -> dict[str, Any]:
    return workspace.recipe(
        **{
            "teacher": workspace.teacher(),
            "pruning__method": METHODS[method],
            "training__save_every": 3,
            "training__precision": "float32",
            **changes,
        }
    )


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def assert_resumes(
    values: dict[str, Any],
    moment: Moment,
    checkpoint: int | None,
    expected: Path,
    output: Path,
) -> None:
    assert exit_codes((run_until, moment, values, output, output.parent / "cache")) == [
        -signal.SIGKILL
    ]
    last = last_checkpoint(output)
    assert last == (output / f"checkpoint-{checkpoint}" if checkpoint else None)
    run(parse_recipe(values, "test"), output, resume=True)
    for name in ("model.safetensors", "predictions.json", "recipe.yaml"):
        assert (output / name).read_bytes() == (expected / name).read_bytes(), name
    assert names(output) == names(expected)


@pytest.mark.parametrize("name", MOMENTS)
def test_killed_at_any_moment(
    name: str,
    workspace: Workspace,
    finished: Callable[[dict[str, Any]], Path],
    tmp_path: Path,
) -> None:
    values = recipe(workspace, "soft movement")
    moment, checkpoint = MOMENTS[name]
    assert_resumes(values, moment, checkpoint, finished(values), tmp_path / "run")


@pytest.mark.parametrize("method", ["global movement", "l0"])
def test_killed_under_other_methods(
    method: str,
    workspace: Workspace,
    finished: Callable[[dict[str, Any]], Path],
    tmp_path: Path,
) -> None:
    values = recipe(workspace, method)
    moment = Moment(f"{TRAINER}.training_step", 8)
    assert_resumes(values, moment, 6, finished(values), tmp_path / "run")


@pytest.mark.parametrize("checkpoint", [3, 9], ids=["before the freeze", "after the freeze"])
@pytest.mark.parametrize("method", METHODS)
def test_every_method_goes_on_bit_by_bit(
    method: str,
    checkpoint: int,
    workspace: Workspace,
    finished: Callable[[dict[str, Any]], Path],
    tmp_path: Path,
) -> None:
    # Of 12 steps, the density is final from step 7 on, and the masks from step 7 + 2.
    values = recipe(workspace, method, pruning__freeze_after=0.4, training__keep_checkpoints=9)
    whole = finished(values)
    config = json.loads((whole / f"checkpoint-{checkpoint}" / "config.json").read_text("utf-8"))
    assert config["pruning"].get("frozen", False) == (checkpoint == 9)
    output = tmp_path / "run"
    shutil.copytree(whole, output)
    for step in range(checkpoint + 3, 13, 3):
        shutil.rmtree(output / f"checkpoint-{step}")
    for name in ("model.safetensors", "metrics.json"):
        (output / name).unlink()
    run(parse_recipe(values, "test"), output, resume=True)
    assert_same(output, whole)


def assert_same(output: Path, whole: Path) -> None:
    for name in ("model.safetensors", "predictions.json", "config.json"):
        assert (output / name).read_bytes() == (whole / name).read_bytes(), name
    metrics = [
        json.loads((folder / "metrics.json").read_text("utf-8")) for folder in (output, whole)
    ]
    for one in metrics:
        del one["seconds"]
    assert metrics[0] == metrics[1]


def test_checkpoint_at_the_end_of_an_epoch_with_an_evaluation_behind_it(
    workspace: Workspace, finished: Callable[[dict[str, Any]], Path], tmp_path: Path
) -> None:
    # The checkpoint is written at the last step of an epoch, and the epoch is evaluated after it.
    values = recipe(workspace, "l0", training__save_every=4, training__evaluate_every="epoch")
    moment = Moment(f"{TRAINER}.training_step", 6)
    assert_resumes(values, moment, 4, finished(values), tmp_path / "run")


def test_accumulated_batches(
    workspace: Workspace, finished: Callable[[dict[str, Any]], Path], tmp_path: Path
) -> None:
    values = recipe(workspace, "l0", training__accumulation=2)
    moment = Moment(f"{TRAINER}.training_step", 15)  # between the two batches of step 8
    assert_resumes(values, moment, 6, finished(values), tmp_path / "run")


def test_batches_of_like_length(
    workspace: Workspace, finished: Callable[[dict[str, Any]], Path], tmp_path: Path
) -> None:
    values = recipe(workspace, "fisher", training__group_by_length=True)
    moment = Moment(f"{TRAINER}.training_step", 8)
    assert_resumes(values, moment, 6, finished(values), tmp_path / "run")
    model = "model.safetensors"
    others = finished(recipe(workspace, "fisher"))
    assert (finished(values) / model).read_bytes() != (others / model).read_bytes()


def test_rounded_weights(
    workspace: Workspace, finished: Callable[[dict[str, Any]], Path], tmp_path: Path
) -> None:
    values = recipe(workspace, "fisher", quantize={"bits": 3, "embedding_bits": 3})
    moment = Moment(f"{TRAINER}.training_step", 11)
    assert_resumes(values, moment, 9, finished(values), tmp_path / "run")


def test_versions_of_texts(
    workspace: Workspace, finished: Callable[[dict[str, Any]], Path], tmp_path: Path
) -> None:
    values = recipe(
        workspace,
        "fisher",
        augmentation={"versions": 3},
        distillation={"alpha_ce": 0.0, "alpha_kd": 1.0},
    )
    moment = Moment(f"{TRAINER}.training_step", 8)
    assert_resumes(values, moment, 6, finished(values), tmp_path / "run")


def test_evaluations_leave_training_as_it_is(
    workspace: Workspace, finished: Callable[[dict[str, Any]], Path]
) -> None:
    often, never = (
        finished(recipe(workspace, "l0", training__evaluate_every=every)) for every in (1, "never")
    )
    name = "model.safetensors"
    assert (often / name).read_bytes() == (never / name).read_bytes()


def test_resuming_with_another_recipe_names_the_key(
    workspace: Workspace, finished: Callable[[dict[str, Any]], Path]
) -> None:
    values = recipe(workspace, "soft movement")
    folder = finished(values)
    before = names(folder)
    changed = recipe(workspace, "soft movement", training__learning_rate=2e-2)
    with pytest.raises(TrainingError) as caught:
        run(parse_recipe(changed, "test"), folder, resume=True)
    message = str(caught.value)
    assert "training.learning_rate=0.01" in message
    assert "0.02" in message
    assert "\n" not in message
    assert names(folder) == before


def test_nothing_to_resume(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="holds no run to resume"):
        run(parse_recipe(workspace.recipe(), "test"), tmp_path / "nothing", resume=True)
    assert not (tmp_path / "nothing").exists()
