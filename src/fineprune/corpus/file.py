"""From a file of texts to a file of answers: in constant memory, and part by part.

A part is a fixed number of rows. The engine runs the texts of a part together, those of like length
side by side, and answers in the order of the rows. What runs together is thus decided by the input
alone: a run that was stopped and went on has the answers of one that was not.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final

from fineprune import __version__
from fineprune.corpus.answers import Answer, Answerer
from fineprune.corpus.columns import ERROR
from fineprune.corpus.formats import open_texts, writer_for
from fineprune.corpus.parts import Done, Parts
from fineprune.corpus.progress import RowProgress
from fineprune.corpus.rows import Row
from fineprune.corpus.text_files import Quoting, TextFile
from fineprune.corpus.writing import AnswerWriter
from fineprune.engine import Engine
from fineprune.engine.tasks.cuts import counting_cuts
from fineprune.errors import DataError
from fineprune.files import place_of_file, require_place

_PART_ROWS: Final = 512
"""Enough for batches of like length; few enough that a stop loses little."""

_SHOWN: Final = 20
"""How many broken rows are told of; the others are counted, and say themselves what is wrong."""

_ROW: Final = "row"

ARITHMETIC: Final = "arithmetic"
"""Under this name a run remembers what it computes in, which `"fast"` leaves to measurements."""


@dataclass(frozen=True)
class Job:
    """What is to be answered, and where answers go.

    Attributes:
        texts: a file of them.
        columns: that hold the texts: one, or two for pairs or questions with contexts.
        output: the file to write.
        context: what all questions are about.
        quoting: of delimited text, if not that of its format.
        options: of the task's own call.
    """

    texts: Path
    columns: tuple[str, ...]
    output: Path
    context: str | None = None
    quoting: Quoting | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Attributes:
        done: rows in all, those without an answer, and those that were cut.
        before: how many of the rows a run before had answered.
    """

    done: Done
    before: int


def answer_file(engine: Engine, job: Job, progress: RowProgress) -> Outcome:
    """Answers all rows of a file, in their order.

    While it runs, `OUTPUT.parts` holds what is done; the output appears when all is. If it was
    stopped, the same call goes on after the last part.

    Args:
        engine: the model.
        job: what is to be answered.
        progress: told of how it goes.

    Raises:
        DataError: the input cannot be read, or has no such column.
        InputError: the model does not take such rows.
        FolderTakenError: another run was stopped with the same output.
        WritingError: something cannot be written.
    """
    texts = open_texts(job.texts, job.columns, job.quoting)
    make_writer = writer_for(job.output)
    _check_places(job)
    identity = _identity(engine, job)
    answerer = Answerer(
        engine, pairs=len(job.columns) > 1, context=job.context, options=job.options
    )
    writer = make_writer({_ROW: "integer", **answerer.columns})
    parts = Parts(job.output, identity)
    before = parts.done.rows
    if before:
        progress.say(f"{before:,} rows are answered in {parts.folder}: going on from there")
    for rows in _left(texts, before, progress):
        _add(parts, answerer, writer, rows, progress)
        progress.advance(texts.position, len(rows))
    if _identity(engine, job) != identity:
        raise DataError(f"{job.texts}, or the model, changed meanwhile; remove {parts.folder}")
    parts.finish(writer.join)
    return Outcome(parts.done, before)


def _left(texts: TextFile, before: int, progress: RowProgress) -> Iterator[list[Row]]:
    """The rows of each part that is left."""
    rows = texts.rows()
    for _ in islice(rows, before):
        pass
    progress.start(texts.size, texts.position)
    first = not before
    while part := list(islice(rows, _PART_ROWS)):
        if first:
            texts.require_columns()
        first = False
        yield part


def _add(
    parts: Parts,
    answerer: Answerer,
    writer: AnswerWriter,
    rows: Sequence[Row],
    progress: RowProgress,
) -> None:
    with counting_cuts() as cuts:
        said = zip(rows, answerer(rows), strict=True)
    answers: list[Answer] = [{_ROW: row.number, **answer} for row, answer in said]
    broken = [f"row {one[_ROW]:,}: {one[ERROR]}" for one in answers if one[ERROR] is not None]
    done = parts.done.plus(len(rows), cuts.number, broken, _SHOWN)
    for line in done.first[len(parts.done.first) :]:
        progress.say(line)
    parts.add(lambda path: writer.write(path, answers), done)


def _check_places(job: Job) -> None:
    require_place(job.output)
    if place_of_file(job.output) == job.texts.resolve():
        raise DataError(f"{job.output} is the input; name another file")


def _identity(engine: Engine, job: Job) -> dict[str, Any]:
    """What decides the answers, under the names that messages call it by."""
    try:
        status = job.texts.stat()
    except FileNotFoundError as error:
        raise DataError(f"{job.texts}: there is no such file") from error
    with engine.path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {
        "model": f"{engine.path.name} (sha256 {digest[:16]})",
        "input": str(job.texts.resolve()),
        "size of the input": status.st_size,
        "time of the input": status.st_mtime_ns,
        "column": list(job.columns),
        "context": job.context,
        "quoting": job.quoting,
        "option": dict(job.options),
        ARITHMETIC: engine.arithmetic,
        "version of fineprune": __version__,
    }
