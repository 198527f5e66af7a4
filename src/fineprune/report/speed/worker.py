"""The process in which one engine runs: takes requests on standard input, one JSON object a line.

    python -m fineprune.report.speed.worker NAME ARTIFACT THREADS

A request names a shape, how often to run, and a file for what the model says; the answer has the
seconds of each run, of loading, and the bytes of memory that the process holds. It may run where
little but the engine is installed: it imports what it needs and no more.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from fineprune.errors import FinepruneError
from fineprune.report.speed.rivals import RIVALS, Run
from fineprune.report.speed.shapes import Shape


def main() -> None:
    """Answers requests until standard input ends."""
    name, artifact, threads = sys.argv[1:]
    answers = _own_output()
    try:
        for answer in _serve(name, Path(artifact), int(threads)):
            print(json.dumps(answer), file=answers, flush=True)
    except FinepruneError as error:
        sys.exit(str(error))


def _own_output() -> TextIO:
    """Standard output for answers alone; whatever engines print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _serve(name: str, artifact: Path, threads: int) -> Iterator[dict[str, Any]]:
    loaded: Shape | None = None
    run: Run | None = None
    load_seconds = 0.0
    for line in sys.stdin:
        request = json.loads(line)
        shape = Shape.parse(request["shape"])
        if run is None or shape != loaded:
            run = None  # the memory of one shape is free before the next one is loaded
            start = time.perf_counter()
            run, loaded = RIVALS[name].load(artifact, shape, threads), shape
            load_seconds = time.perf_counter() - start
        seconds = _times(run, request)
        yield {"seconds": seconds, "load_seconds": load_seconds, "resident_bytes": _resident()}


def _times(run: Run, request: dict[str, Any]) -> list[float]:
    ids = np.array(request["ids"], np.int64)
    mask = np.ones_like(ids)
    said = run(ids, mask)  # also warms up
    np.save(request["output"], np.concatenate([part.ravel() for part in said]))
    seconds: list[float] = []
    while len(seconds) < request["least_runs"] or sum(seconds) < request["least_seconds"]:
        start = time.perf_counter()
        run(ids, mask)
        seconds.append(time.perf_counter() - start)
    return seconds


def _resident() -> int:
    """Bytes of memory that this process holds: now, or at most so far where that is not told."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text("ascii").split()[1]) * resource.getpagesize()
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    main()
