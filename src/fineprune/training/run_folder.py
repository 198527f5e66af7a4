"""The folder of a run: who may write there, and what is left there in the end."""

import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from typing_extensions import override

from fineprune.errors import TrainingError
from fineprune.files import is_taken, new_folder, replacing, write_json
from fineprune.tasks.base import Logits
from fineprune.training.checkpoints import remove_partial_checkpoints
from fineprune.training.recipe import Precision, Recipe, read_recipe, resolved, write_recipe
from fineprune.training.scoring import Scoring

RECIPE_FILE = "recipe.yaml"
METRICS_FILE = "metrics.json"
LOG_FILE = "trainer_state.json"
"""What `transformers` calls the file with a run's log; checkpoints have it as well."""
PREDICTIONS_FILE = "predictions.json"

_UNFINISHED_MODEL = ".model"


@dataclass(frozen=True)
class RunMetrics:
    """What `metrics.json` says of a run.

    Attributes:
        metrics: the task's metrics on its validation sets; empty without any.
        examples: how many examples they were computed on.
        density: kept over prunable weights; 1 for a dense run.
        level: the number of the level that the masks were at; None for a dense run.
        steps: optimizer steps of the run.
        seconds: time spent on training; of a resumed run, since it was resumed.
    """

    metrics: dict[str, float]
    examples: int
    density: float
    level: float | None
    steps: int
    seconds: float


def require_usable(output: Path, recipe: Recipe, *, resume: bool) -> None:
    """Checks that a run may write into a folder; writes nothing.

    Raises:
        TrainingError: the folder holds something and `resume` is not asked for; or it is, and
            the folder holds no run, or one of another recipe.
    """
    if resume:
        _require_same(output / RECIPE_FILE, recipe)
    elif is_taken(output):
        raise TrainingError(
            f"{output} is not empty; name a new folder, or give --resume to go on with its run"
        )


def precision_of(run: Path) -> Precision:
    """The precision that a run was started in."""
    return read_recipe(run / RECIPE_FILE).training.precision


def claim(output: Path, recipe: Recipe) -> None:
    """Makes a run's folder ready for training: the resolved recipe in it, and no part-checkpoints.

    Called once everything else is ready, so that a run that cannot start leaves nothing behind.
    """
    output.mkdir(parents=True, exist_ok=True)
    write_recipe(recipe, output / RECIPE_FILE)
    remove_partial_checkpoints(output)


def conclude(trainer: Scoring, output: Path, *, seconds: float) -> RunMetrics:
    """Writes a trained model, and its metrics, predictions and log beside it.

    Every file appears by rename, and the metrics last: where they stand, the run is whole.

    Raises:
        TrainingError: the weights are not finite.
    """
    _save(trainer, output)
    logits = [trainer.logits(one) for one in trainer.evaluation_sets]
    result = _metrics(trainer, logits, seconds)
    if trainer.is_world_process_zero():
        if logits:
            write_json(output / PREDICTIONS_FILE, trainer.predictions(logits))
        with replacing(output / LOG_FILE) as temporary:
            trainer.state.save_to_json(str(temporary))
        write_json(output / METRICS_FILE, asdict(result))
    return result


@final
class DensityFolders(TrainerCallback):
    """Leaves a plain model, tokenizer and metrics where a run has recovered at a density.

    Args:
        trainer: what trains it.
        output: the run's folder; `density-0.2` and others appear in it.
        densities: in the order in which the run passes through them.
    """

    def __init__(self, trainer: Scoring, output: Path, densities: Sequence[float]) -> None:
        self._trainer = trainer
        self._output = output
        self._densities = densities
        self._started = time.monotonic()

    @override
    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        stops = [stage.stop for stage in self._trainer.stages]
        if state.global_step in stops:
            self._write(self._densities[stops.index(state.global_step)])

    def _write(self, density: float) -> None:
        trainer = self._trainer
        logits = [trainer.logits(one) for one in trainer.evaluation_sets]
        metrics = _metrics(trainer, logits, time.monotonic() - self._started)
        if not trainer.is_world_process_zero():
            return
        target = self._output / f"density-{density:g}"
        shutil.rmtree(target, ignore_errors=True)  # of a run that was resumed from before it
        with new_folder(target) as folder:
            trainer.save_plain(folder)
            write_json(folder / METRICS_FILE, asdict(metrics))


def _metrics(trainer: Scoring, logits: Sequence[Logits], seconds: float) -> RunMetrics:
    masks = trainer.masks
    return RunMetrics(
        metrics=trainer.score(logits),
        examples=sum(one.examples for one in trainer.evaluation_sets),
        density=masks.density() if masks else 1.0,
        level=masks.level.value if masks else None,
        steps=trainer.state.global_step,
        seconds=round(seconds, 1),
    )


def _save(trainer: Scoring, output: Path) -> None:
    unfinished = output / _UNFINISHED_MODEL
    trainer.save_model(str(unfinished))  # every process takes part; the first one writes
    if trainer.is_world_process_zero():
        for file in sorted(unfinished.iterdir()):
            if file.is_dir():  # of a run that was resumed when it was done
                shutil.rmtree(output / file.name, ignore_errors=True)
            file.replace(output / file.name)
        unfinished.rmdir()


def _require_same(path: Path, recipe: Recipe) -> None:
    if not path.is_file():
        raise TrainingError(f"{path.parent} holds no run to resume: there is no {path.name} in it")
    started = read_recipe(path)
    if recipe.training.precision == "auto":  # which was chosen when the run began
        recipe = recipe.with_precision(started.training.precision)
    before, now = _flat(resolved(started)), _flat(resolved(recipe))
    for key in sorted(before.keys() | now.keys()):
        if before.get(key) != now.get(key):
            raise TrainingError(
                f"{path.parent} was started with {key}={before.get(key)!r}, and the recipe now "
                f"says {now.get(key)!r}; resume with the same recipe, or start a new run"
            )


def _flat(values: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(values, dict):
        return {prefix.rstrip("."): values}
    return {
        key: value
        for name, section in values.items()
        for key, value in _flat(section, f"{prefix}{name}.").items()
    }
