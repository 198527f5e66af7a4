import re
import runpy
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_loop.py"


def test_it_learns_while_it_prunes(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    losses = [float(found) for line in lines for found in re.findall(r"loss ([\d.]+)", line)]
    kept = [float(found) for line in lines for found in re.findall(r"([\d.]+)%", line)]
    assert losses[-1] < 0.4 * losses[0]
    assert kept[0] == 100
    assert kept[-1] < 15
