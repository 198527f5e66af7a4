"""An engine in a process of its own, seen from outside."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fineprune.errors import FinepruneError


class EngineStoppedError(FinepruneError):
    """An engine's process ended before it answered."""


class EngineProcess:
    """Asks an engine's process, one request at a time.

    Args:
        process: runs `fineprune.report.speed.worker`.
        log: its standard error.
    """

    def __init__(self, process: "subprocess.Popen[str]", log: Path) -> None:
        self._process = process
        self._log = log

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a request.

        Raises:
            EngineStoppedError: the process ended; the message is the last that it said.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            print(json.dumps(request), file=self._process.stdin, flush=True)
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            said = self._log.read_text(encoding="utf-8", errors="replace").strip()
            raise EngineStoppedError(said.splitlines()[-1] if said else "it stopped")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def engine_process(
    name: str, artifact: Path, threads: int, folder: Path, python: Path | None
) -> Iterator[EngineProcess]:
    """Starts a process, and ends it.

    Args:
        name: of the engine.
        artifact: what was prepared for it.
        threads: how many it may use.
        folder: for what it says on standard error.
        python: the interpreter; this one if None.
    """
    log = folder / f"{name}.log"
    with log.open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(
            [python or sys.executable, "-m", f"{__package__}.worker", name, artifact, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=_environment(folder, threads),
        )
    try:
        yield EngineProcess(process, log)
    finally:
        process.kill()
        process.communicate()


def _environment(folder: Path, threads: int) -> dict[str, str]:
    # This package, and nothing that is installed beside it: the interpreter may be another one.
    home = folder / "import"
    if not home.exists():
        home.mkdir()
        (home / "fineprune").symlink_to(Path(__file__).resolve().parents[2])
    return {
        **os.environ,
        "PYTHONPATH": str(home),
        "OMP_NUM_THREADS": str(threads),
        "NM_DISABLE_ANALYTICS": "True",
    }
