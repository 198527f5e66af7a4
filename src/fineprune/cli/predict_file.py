"""`fineprune predict --input`."""

import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import cast

from fineprune.cli.printing import note, print_json
from fineprune.cli.task_options import task_options
from fineprune.corpus.file import ARITHMETIC, Job, Outcome, answer_file
from fineprune.corpus.parts import unfinished_run
from fineprune.corpus.progress import RowProgress
from fineprune.engine import Engine
from fineprune.engine.native import Precision
from fineprune.text.characters import without_surrogates


def predict_file(
    file: Path,
    job: Job,
    options: Iterable[str],
    *,
    threads: int | None,
    precision: Precision,
    json: bool,
) -> None:
    """Answers a file of texts, and says how many of its rows have no answer.

    Args:
        file: packed.
        job: what is to be answered.
        options: of the model's task, as `NAME=VALUE`.
        threads: as for `Engine`.
        precision: as for `Engine`.
        json: whether to print one JSON object.
    """
    if precision == "fast":  # a run goes on in what was the fastest when it began
        precision = cast(Precision, unfinished_run(job.output).get(ARITHMETIC, precision))
    started = time.monotonic()
    engine = Engine(file, threads=threads, precision=precision)
    job = replace(job, options=task_options(engine.task, options))
    try:
        with RowProgress() as progress:
            outcome = answer_file(engine, job, progress)
    except KeyboardInterrupt:
        if unfinished_run(job.output):
            note(f"{job.output} is not finished; the same command goes on where this one stops")
        raise
    _tell(job, outcome, engine, time.monotonic() - started, json=json)


def _tell(job: Job, outcome: Outcome, engine: Engine, seconds: float, *, json: bool) -> None:
    done, output = outcome.done, without_surrogates(str(job.output))
    if done.cut:
        note(
            f"longer than {engine.limit.tokens} tokens, and cut: {done.cut:,} of {done.rows:,} "
            f"rows ({engine.limit.source})"
        )
    if json:
        print_json(
            {
                "output": output,
                "rows": done.rows,
                "answered": done.rows - done.broken,
                "broken": done.broken,
                "first_broken": list(done.first),
                "cut": done.cut,
                "rows_before": outcome.before,
                "seconds": seconds,
            }
        )
        return
    without = f", {done.broken:,} without (see the column error)" if done.broken else ""
    rate = (done.rows - outcome.before) / max(seconds, 1e-9)
    print(
        f"{output}: {done.rows - done.broken:,} answers{without}; "
        f"{seconds:,.1f} s, {rate:,.0f} rows/s"
    )
