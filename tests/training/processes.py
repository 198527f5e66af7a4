"""Processes that can be killed, forked from a server that has imported everything once."""

import multiprocessing
import os
import pkgutil
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
from safetensors.torch import save_file

from fineprune.cli.main import main
from fineprune.training import run as run_module
from fineprune.training.recipe import parse_recipe
from fineprune.training.run import run
from fineprune.training.run_folder import RunMetrics, conclude
from fineprune.training.task_trainer import TaskTrainer

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["fineprune.training.run"])
_LIMIT_SECONDS = 300.0


@dataclass(frozen=True)
class Moment:
    """When a process is killed: as it calls a function for the n-th time.

    Attributes:
        function: `module:qualified.name`.
        call: counted from 1.
    """

    function: str
    call: int


def exit_codes(*calls: tuple[Callable[..., None], *tuple[Any, ...]]) -> list[int | None]:
    """Runs each `(function, *arguments)` in a process of its own, all at once."""
    processes = [_FORKS.Process(target=target, args=tuple(args)) for target, *args in calls]
    for process in processes:
        process.start()
    for process in processes:
        process.join(_LIMIT_SECONDS)
        process.kill()  # nothing to do if it has ended
    return [process.exitcode for process in processes]


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as found:
        found.bind(("localhost", 0))
        port: int = found.getsockname()[1]
    return port


def run_until(moment: Moment, values: Mapping[str, Any], output: Path, cache: Path) -> None:
    """Starts a run that kills itself without a chance to tidy up."""
    datasets.config.HF_DATASETS_CACHE = cache
    module, _, path = moment.function.partition(":")
    owner, _, name = path.rpartition(".")
    kill_at_call(pkgutil.resolve_name(f"{module}:{owner}"), name, moment.call)
    run(parse_recipe(dict(values), "the test's recipe"), output)


def kill_at_call(owner: Any, name: str, call: int) -> None:
    function = getattr(owner, name)
    calls = 0

    def counting(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)

    setattr(owner, name, counting)


def run_as_one_of(
    processes: int,
    rank: int,
    port: int,
    recipe: Path,
    output: Path,
    cache: Path,
    left: Path,
) -> None:
    """Takes part in `fineprune train` under `torchrun`.

    Leaves `out` and `err`, what it wrote, and `masks`, those that it ended with, in a folder.
    """
    left.mkdir()
    # The server was started with the files of whatever test was first: these are of this one.
    sys.stdout, sys.stderr = ((left / name).open("w", buffering=1) for name in ("out", "err"))
    datasets.config.HF_DATASETS_CACHE = cache
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": str(port),
    }

    def keeping_masks(trainer: TaskTrainer, *args: Any, **kwargs: Any) -> RunMetrics:
        assert trainer.masks is not None
        save_file({one.name: one.multiplier() for one in trainer.masks}, left / "masks")
        return conclude(trainer, *args, **kwargs)

    setattr(run_module, "conclude", keeping_masks)  # noqa: B010 - no part of its interface
    sys.argv = ["fineprune", "train", str(recipe), "--output", str(output)]
    main()
