"""The process in which one engine runs: takes requests on standard input, one JSON object a line.

    python -m fineprune.report.speed.worker NAME ARTIFACT THREADS

The first key of a request says what to do, and the answer what came of it:

- `shape`: how long a batch of that shape takes, how long loading took for it, and the bytes of
  memory that the process holds;
- `outputs`: what the model says of a task's texts, written to a file;
- `rows`: how long these texts take, one after the other or in batches of like length.

It may run where little but the engine is installed: it imports what it needs and no more.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from fineprune.errors import FinepruneError
from fineprune.report.rows import Inputs, Rows, Run, outputs_of
from fineprune.report.speed.rivals import RIVALS
from fineprune.report.speed.shapes import Shape


def main() -> None:
    """Answers requests until standard input ends."""
    name, artifact, threads = sys.argv[1:]
    answers = _own_output()
    server = _Server(name, Path(artifact), int(threads))
    try:
        for line in sys.stdin:
            print(json.dumps(server.answer(json.loads(line))), file=answers, flush=True)
    except FinepruneError as error:
        sys.exit(str(error))


def _own_output() -> TextIO:
    """Standard output for answers alone; whatever engines print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


class _Server:
    """One engine, loaded for one shape at a time, or for inputs of any shape."""

    def __init__(self, name: str, artifact: Path, threads: int) -> None:
        self._load: Callable[[Shape | None], Run] = lambda shape: RIVALS[name].load(
            artifact, shape, threads
        )
        self._run: Run | None = None
        self._shape: Shape | None = None
        self._load_seconds = 0.0

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Does what a request asks for, by its first key."""
        actions = {"shape": self._time_shape, "outputs": self._write_outputs, "rows": self._time}
        return actions[next(iter(request))](request)

    def _time_shape(self, request: Mapping[str, Any]) -> dict[str, Any]:
        run = self._loaded(Shape.parse(request["shape"]))
        ids = np.array(request["ids"], np.int64)
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        said = run(inputs)  # also warms up
        np.save(request["output"], np.concatenate([part.ravel() for part in said]))
        seconds: list[float] = []
        while len(seconds) < request["least_runs"] or sum(seconds) < request["least_seconds"]:
            seconds.append(_seconds(run, [inputs]))
        return {
            "seconds": seconds,
            "load_seconds": self._load_seconds,
            "resident_bytes": _resident(),
        }

    def _write_outputs(self, request: Mapping[str, Any]) -> dict[str, Any]:
        said = outputs_of(self._loaded(None), Rows.read(Path(request["outputs"])))
        np.savez(request["output"], *said)
        return {}

    def _time(self, request: Mapping[str, Any]) -> dict[str, Any]:
        run, rows = self._loaded(None), Rows.read(Path(request["rows"]))
        return {"seconds": _seconds(run, list(map(rows.inputs, rows.batches(request["batch"]))))}

    def _loaded(self, shape: Shape | None) -> Run:
        if self._run is None or shape != self._shape:
            self._run = None  # the memory of one shape is free before the next one is loaded
            start = time.perf_counter()
            self._run, self._shape = self._load(shape), shape
            self._load_seconds = time.perf_counter() - start
        return self._run


def _seconds(run: Run, batches: Sequence[Inputs]) -> float:
    start = time.perf_counter()
    for inputs in batches:
        run(inputs)
    return time.perf_counter() - start


def _resident() -> int:
    """Bytes of memory that this process holds: now, or at most so far where that is not told."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text("ascii").split()[1]) * resource.getpagesize()
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    main()
