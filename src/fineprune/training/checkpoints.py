"""Which checkpoints of a run are whole."""

import re
import shutil
from pathlib import Path
from typing import Any, final

from accelerate import PartialState
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from typing_extensions import override

_MARK = "complete"
_NAME = re.compile(r"checkpoint-(\d+)")


@final
class CompletionCallback(TrainerCallback):
    """Marks a checkpoint once all of its files are written.

    The training loop writes a checkpoint file by file, so a run that is killed may leave a part
    of one; its resumption must start from the last whole one.
    """

    @override
    def on_save(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        PartialState().wait_for_everyone()  # each process writes a file of its own
        if state.is_world_process_zero:
            (Path(str(args.output_dir)) / f"checkpoint-{state.global_step}" / _MARK).touch()


def last_checkpoint(run: Path) -> Path | None:
    """The newest whole checkpoint of a run, or None."""
    whole = [path for path in _checkpoints(run) if (path / _MARK).is_file()]
    return max(whole, key=_step, default=None)


def remove_partial_checkpoints(run: Path) -> None:
    """Deletes what a killed run left half-written."""
    for path in _checkpoints(run):
        if not (path / _MARK).is_file():
            shutil.rmtree(path)


def _checkpoints(run: Path) -> list[Path]:
    return [path for path in run.glob("checkpoint-*") if _NAME.fullmatch(path.name)]


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])
