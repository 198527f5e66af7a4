"""Shows how a run is going: step, task loss, kept weights, floors that hold, metric, time left."""

import sys
import time
from collections.abc import Collection, Iterable
from typing import Any, Self, final

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    track,
)
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from typing_extensions import override

from fineprune.wording import minutes

_LOSS = "task loss"


def track_teacher(batches: Iterable[Any], length: int) -> Iterable[Any]:
    """Shows how far asking the teacher has come; on a terminal only."""
    return track(
        batches,
        "asking the teacher once",
        total=length,
        console=Console(file=sys.stderr),
        disable=not sys.stderr.isatty(),
    )


@final
class ProgressCallback(TrainerCallback):
    """A bar on a terminal; elsewhere a line at every logging step. To be used in a `with`.

    Args:
        metrics: names of the metrics to show.
        console: where to write; standard error by default, as standard output is for results.
    """

    def __init__(self, metrics: Collection[str], console: Console | None = None) -> None:
        self._metrics = metrics
        self._console = console or Console(file=sys.stderr)
        self._facts: dict[str, str] = {}
        self._bar: Progress | None = None
        self._started = 0.0
        self._first_step = 0

    @override
    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._started, self._first_step = time.monotonic(), state.global_step
        if state.is_world_process_zero and self._console.is_terminal:
            self._bar = Progress(
                TextColumn("step"),
                MofNCompleteColumn(),
                BarColumn(bar_width=None),
                TextColumn("{task.description}"),
                TimeRemainingColumn(),
                console=self._console,
            )
            self._bar.start()
            self._bar.add_task("", total=state.max_steps, completed=state.global_step)

    @override
    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=state.global_step)

    @override
    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        facts = self._facts_of(logs or {})
        if not facts or not state.is_world_process_zero:
            return
        if _LOSS in facts:
            self._facts.pop("floor", None)  # it may have let go
        self._facts |= facts
        shown = [name for name in (_LOSS, "kept", "floor", *self._metrics) if name in self._facts]
        line = "  ".join(f"{name} {self._facts[name]}" for name in shown)
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], description=line)
        else:
            self._console.print(
                f"step {state.global_step}/{state.max_steps}  {line}  left {self._left(state)}",
                highlight=False,
                soft_wrap=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        # Also after an error: a bar that stays would hide the message.
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _facts_of(self, logs: dict[str, float]) -> dict[str, str]:
        facts: dict[str, str] = {}
        if "loss" in logs:
            # Not the sum that is trained on, which teacher and penalty move, too.
            facts[_LOSS] = f"{logs.get('task_loss', logs['loss']):.4f}"
        density = logs.get("density", logs.get("eval_density"))
        if density is not None:
            facts["kept"] = f"{density:.2%}"
        if "matrices_at_floor" in logs:
            held = int(logs["matrices_at_floor"])
            facts["floor"] = f"holds {held} {'matrix' if held == 1 else 'matrices'}"
        shown = [name for name in self._metrics if f"eval_{name}" in logs]
        return facts | {name: f"{logs[f'eval_{name}']:.4g}" for name in shown}

    def _left(self, state: TrainerState) -> str:
        done = state.global_step - self._first_step
        if not done:
            return "?"
        seconds = time.monotonic() - self._started
        return minutes(seconds / done * (state.max_steps - state.global_step))
