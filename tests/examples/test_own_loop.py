import importlib.util
import os
import re
import runpy
import sys
from pathlib import Path

import pytest

from tests.training.processes import exit_codes, free_port

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_loop.py"


def lines_that_tell(text: str) -> tuple[list[float], list[float]]:
    """The losses, and how much is kept."""
    losses = [float(found) for found in re.findall(r"loss ([\d.]+)", text)]
    return losses, [float(found) for found in re.findall(r"([\d.]+)%", text)]


def test_it_learns_while_it_prunes(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    losses, kept = lines_that_tell(capsys.readouterr().out)
    assert losses[-1] < 0.4 * losses[0]
    assert kept[0] == 100
    assert kept[-1] < 15


def run_as_one_of(processes: int, rank: int, port: int, left: Path) -> None:
    """Runs the example, shortened, as one of the processes that torchrun starts."""
    sys.stdout = left.open("w", buffering=1)
    names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "MASTER_PORT": port}
    os.environ |= {name: str(value) for name, value in names.items()} | {"MASTER_ADDR": "localhost"}
    spec = importlib.util.spec_from_file_location("own_loop", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    setattr(example, "STEPS", 250)  # noqa: B010 - a module that mypy knows nothing of
    example.main()


def test_two_processes_train_one_model(tmp_path: Path) -> None:
    port = free_port()
    left = [tmp_path / str(rank) for rank in (0, 1)]
    assert exit_codes(*[(run_as_one_of, 2, rank, port, left[rank]) for rank in (0, 1)]) == [0, 0]
    first, second = (path.read_text("utf-8") for path in left)
    losses, kept = lines_that_tell(first)
    assert len(losses) == 3  # of 125 steps
    assert kept[0] == 100
    assert kept[-1] < 15
    assert second == ""  # as the second of two, not the first of one
