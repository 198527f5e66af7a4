"""`fineprune predict`."""

import sys
from collections.abc import Mapping, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import typer

from fineprune.cli.options import (
    JsonOption,
    PackedArgument,
    PrecisionOption,
    ThreadsOption,
)
from fineprune.cli.predict_file import predict_file
from fineprune.cli.printing import note, print_json, print_table
from fineprune.cli.task_options import task_options
from fineprune.corpus.file import Job
from fineprune.engine import Engine
from fineprune.engine.errors import InputError
from fineprune.engine.tasks import QuestionAnswering, Task
from fineprune.engine.tasks.cuts import counting_cuts
from fineprune.text.characters import without_surrogates

_STANDARD_INPUT = ["-"]


def predict(
    file: PackedArgument,
    texts: Annotated[
        list[str] | None,
        typer.Argument(
            help="Texts, or questions; - for the lines of standard input.", metavar="TEXT"
        ),
    ] = None,
    *,
    context: Annotated[
        str | None,
        typer.Option(help="What questions are about; else the second text of each pair."),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--input",
            help="A file of texts instead: .parquet, .jsonl, .csv, .tsv, or .txt with one a line.",
            metavar="DATA",
        ),
    ] = None,
    column: Annotated[
        str | None,
        typer.Option(
            help="Of --input: the column of texts, or of questions; text if not given.",
            metavar="C",
        ),
    ] = None,
    pair_column: Annotated[
        str | None,
        typer.Option(help="Of --input: the column of second texts, or of contexts.", metavar="C"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="Where answers to --input go: a .parquet or .jsonl file.", metavar="ANSWERS"
        ),
    ] = None,
    quoting: Annotated[
        Literal["none", "minimal"] | None,
        typer.Option(
            help="Of a .csv or .tsv: what quotes mean; minimal for .csv, and none for .tsv "
            "if not given."
        ),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            help="Of the task, such as top_k=3 or aggregation_strategy=first; may be repeated.",
            metavar="NAME=VALUE",
        ),
    ] = None,
    threads: ThreadsOption = None,
    precision: PrecisionOption = "float32",
    json: JsonOption = False,
) -> None:
    """Run a packed model on texts, and print its answers; or on a file of any size, into another.

    A file is answered row by row, in order and in constant memory. What is done stands in
    ANSWERS.parts until all is; after a stop, the same command goes on from there.
    """
    context = None if context is None else without_surrogates(context)
    if source is not None or output is not None:
        if texts or source is None or output is None:
            raise InputError("expected texts, or both of --input and --output")
        first = "text" if column is None else column
        columns = (first,) if pair_column is None else (first, pair_column)
        job = Job(source, columns, output, context, quoting)
        predict_file(file, job, option or (), threads=threads, precision=precision, json=json)
        return
    if any(one is not None for one in (column, pair_column, quoting)):
        raise InputError("--column, --pair-column and --quoting are for --input")
    if not texts:
        raise InputError("Missing argument 'TEXT': give texts, or a file of them with --input")
    engine = Engine(file, threads=threads, precision=precision)
    texts = _lines() if texts == _STANDARD_INPUT else [without_surrogates(text) for text in texts]
    options = task_options(engine.task, option or ())
    with counting_cuts() as cuts:
        answers = _answers(engine.task, texts, context, options) if texts else []
    if cuts.number:
        limit = engine.limit
        note(
            f"longer than {limit.tokens} tokens, and cut: {cuts.number} of {len(texts)} texts "
            f"({limit.source})"
        )
    if json:
        print_json({"answers": answers})
        return
    rows = [
        {"text": text, **one}
        for text, answer in zip(texts, answers, strict=True)
        for one in _for_people(answer) or [{}]  # nothing is an answer as well
    ]
    if rows:
        fullest = max(rows, key=len)
        cells = [_cells({name: row.get(name, "") for name in fullest}) for row in rows]
        print_table(dict.fromkeys(fullest, "left"), cells)


def _lines() -> list[str]:
    """The lines of standard input, blank ones among them; nothing but a line feed ends one."""
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="replace", newline="\n")
    lines = sys.stdin.read().split("\n")
    if not lines[-1]:  # behind the last line
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def _answers(
    task: Task, texts: list[str], context: str | None, options: Mapping[str, Any]
) -> list[Any]:
    """One answer for each text: a mapping, a list of such, or a list of numbers."""
    if isinstance(task, QuestionAnswering):
        if context is None:
            raise InputError("this model answers questions: say with --context what they are about")
        return list(task(question=texts, context=context, **options))
    answers = task(texts if context is None else [(text, context) for text in texts], **options)
    return answers.tolist() if isinstance(answers, np.ndarray) else list(answers)


def _for_people(answer: Any) -> Sequence[Mapping[str, Any]]:
    """Rows of a table."""
    if isinstance(answer, Mapping) and "labels" in answer:  # of candidate_labels
        pairs = zip(answer["labels"], answer["scores"], strict=True)
        return [{"label": label, "score": score} for label, score in pairs]
    if isinstance(answer, Mapping):
        return [answer]
    if answer and isinstance(answer[0], float):  # too many numbers for anybody to read
        return [{"embedding": f"{len(answer)} numbers, printed with --json"}]
    return list(answer)


def _cells(row: Mapping[str, Any]) -> list[str]:
    return [f"{cell:.4f}" if isinstance(cell, float) else str(cell) for cell in row.values()]
