import time
from io import StringIO

import pytest
from rich.console import Console
from transformers import TrainerControl, TrainerState, TrainingArguments

from fineprune.training.progress import ProgressCallback


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What time it is, to be set."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> TrainingArguments:
    return TrainingArguments(str(tmp_path_factory.mktemp("arguments")), use_cpu=True)


def state(step: int, *, process: int = 0) -> TrainerState:
    return TrainerState(
        global_step=step,
        max_steps=90,
        is_world_process_zero=process == 0,
        is_local_process_zero=process == 0,
    )


def test_a_line_says_step_loss_kept_metric_and_time_left(
    arguments: TrainingArguments, clock: list[float]
) -> None:
    written, control = StringIO(), TrainerControl()
    with ProgressCallback(["f1"], Console(file=written, width=40)) as callback:
        callback.on_train_begin(arguments, state(0), control)
        clock[0] += 20.0
        callback.on_log(
            arguments, state(10), control, {"loss": 9.0, "task_loss": 0.51239, "density": 0.25}
        )
        callback.on_log(arguments, state(10), control, {"density/layer.weight": 0.5})
        callback.on_log(
            arguments,
            state(10),
            control,
            {
                "eval_f1": 81.23456,
                "eval_has_answer_f1": 9.0,
                "eval_density": 0.2,
                "eval_level": 0.1,
            },
        )
        clock[0] += 20.0
        callback.on_log(
            arguments, state(20), control, {"loss": 9.0, "task_loss": 0.25, "density": 0.125}
        )
    assert written.getvalue().splitlines() == [
        "step 10/90  task loss 0.5124  kept 25.00%  left 2:40",
        "step 10/90  task loss 0.5124  kept 20.00%  f1 81.23  left 2:40",
        "step 20/90  task loss 0.2500  kept 12.50%  f1 81.23  left 2:20",
    ]


def test_a_floor_that_holds_is_said(arguments: TrainingArguments) -> None:
    written, control = StringIO(), TrainerControl()
    with ProgressCallback([], Console(file=written)) as callback:
        callback.on_train_begin(arguments, state(0), control)
        logs = {"loss": 1.0, "density": 0.0125, "matrices_at_floor": 3}
        callback.on_log(arguments, state(45), control, logs)
        del logs["matrices_at_floor"]
        callback.on_log(arguments, state(60), control, logs)
    held, released = written.getvalue().splitlines()
    assert "task loss 1.0000  kept 1.25%  floor holds 3 matrices  left" in held
    assert "task loss 1.0000  kept 1.25%  left" in released


def test_time_left_of_a_resumed_run_counts_from_where_it_resumed(
    arguments: TrainingArguments, clock: list[float]
) -> None:
    written, control = StringIO(), TrainerControl()
    with ProgressCallback([], Console(file=written)) as callback:
        callback.on_train_begin(arguments, state(50), control)
        callback.on_log(arguments, state(50), control, {"loss": 1.0})
        clock[0] += 10.0
        callback.on_log(arguments, state(60), control, {"loss": 1.0})
    assert written.getvalue().splitlines() == [
        "step 50/90  task loss 1.0000  left ?",
        "step 60/90  task loss 1.0000  left 0:30",
    ]


@pytest.mark.parametrize("terminal", [False, True])
def test_only_the_first_process_writes(arguments: TrainingArguments, terminal: bool) -> None:
    written, control = StringIO(), TrainerControl()
    with ProgressCallback(["f1"], Console(file=written, force_terminal=terminal)) as callback:
        callback.on_train_begin(arguments, state(0, process=1), control)
        callback.on_step_end(arguments, state(1, process=1), control)
        callback.on_log(arguments, state(1, process=1), control, {"loss": 1.0})
    assert written.getvalue() == ""


def test_a_terminal_shows_a_bar(arguments: TrainingArguments) -> None:
    written, control = StringIO(), TrainerControl()
    console = Console(file=written, force_terminal=True, width=100)
    with ProgressCallback(["accuracy"], console) as callback:
        callback.on_train_begin(arguments, state(0), control)
        callback.on_log(arguments, state(30), control, {"loss": 0.5, "density": 0.25})
        callback.on_log(arguments, state(30), control, {"eval_accuracy": 0.75})
        callback.on_step_end(arguments, state(30), control)
    # The last time that it is drawn.
    shown = written.getvalue()
    assert "30/90" in shown
    assert "task loss 0.5000  kept 25.00%  accuracy 0.75" in shown
    assert "step 30/90" not in shown, "no lines beside the bar"


def test_after_an_error_the_bar_is_gone(arguments: TrainingArguments) -> None:
    written = StringIO()
    console = Console(file=written, force_terminal=True)
    callback = ProgressCallback([], console)

    def fail() -> None:
        with callback:
            callback.on_train_begin(arguments, state(0), TrainerControl())
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        fail()
    shown, cursor_back = written.getvalue(), "\x1b[?25h"
    assert shown.rstrip().endswith(cursor_back), "the cursor is shown again"
    before = len(written.getvalue())
    callback.on_step_end(arguments, state(5), TrainerControl())
    console.print("the message")
    assert written.getvalue()[before:] == "the message\n"
