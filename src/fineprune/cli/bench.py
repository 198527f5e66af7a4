"""`fineprune bench`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from fineprune.cli.options import JsonOption, PackedArgument, ThreadsOption
from fineprune.cli.printing import note, print_json, print_table
from fineprune.engine import Engine
from fineprune.engine.plan import MatrixPlan
from fineprune.engine.threads import count_threads
from fineprune.report.speed.race import Course, race, why_missing
from fineprune.report.speed.records import Race, Timing
from fineprune.report.speed.rivals import RIVALS
from fineprune.report.speed.shapes import Shape
from fineprune.wording import counted

_OURS = "fineprune"
_FAST = "fineprune-fast"


def bench(
    file: PackedArgument,
    *,
    shapes: Annotated[
        str, typer.Option(help="Batch x tokens, several with commas between them.")
    ] = "1x128,1x384,8x128",
    against: Annotated[
        str | None,
        typer.Option(
            help=f"Of {', '.join(RIVALS)}; all that are installed if not given.",
            metavar="NAME,...",
        ),
    ] = None,
    threads: ThreadsOption = None,
    rounds: Annotated[int, typer.Option(help="Turns of each engine.", min=1)] = 5,
    json: JsonOption = False,
) -> None:
    """Time a packed model, beside the same weights in whatever other engines are installed.

    Every engine runs in a process of its own, in turns with the others. Times are medians; memory
    is what the process holds; the deviation is the largest difference of the outputs to those of
    PyTorch in float32, relative to the largest of these (without PyTorch, to our own). In which
    form `fineprune-fast` runs each matrix, and why, is said as well.
    """
    course = Course(
        [Shape.parse(shape) for shape in shapes.split(",")], count_threads(threads), rounds=rounds
    )
    names = _named(against) if against is not None else _installed()
    with Console(stderr=True).status("") as status:
        found = race(file, [_OURS, *names], course, say=status.update)
    found.require(_OURS)
    ran_fast = any(timing.engine == _FAST for timing in found.timings)
    plan = _plan(file, course.threads) if ran_fast else ()
    if json:
        said = [
            {"name": one.name, "kind": one.kind, "precision": one.precision, "reason": one.reason}
            for one in plan
        ]
        print_json({"threads": course.threads, **found.record(), "plan": said})
        return
    for shape in course.shapes:
        print_shape(found, shape, course.threads)
    _print_plan(plan)
    for name, reason in found.left_out.items():
        note(f"not compared: {name}: {reason}")


def _named(against: str) -> list[str]:
    names = [name.strip() for name in against.split(",") if name.strip()]
    return [name for name in dict.fromkeys(names) if name != _OURS]


def _installed() -> list[str]:
    return [name for name in RIVALS if name != _OURS and not why_missing(name, {})]


def _plan(file: Path, threads: int) -> Sequence[MatrixPlan]:
    return Engine(file, threads, precision="fast").plan()


def _print_plan(plan: Sequence[MatrixPlan]) -> None:
    """Matrices of one size that run in one form share a line, with the first one's reason."""
    alike: dict[tuple[object, ...], list[MatrixPlan]] = {}
    for one in plan:
        alike.setdefault((one.rows, one.columns, one.kind, one.precision), []).append(one)
    columns = {"matrices": "right", "of": "left", f"{_FAST} runs them, and why": "left"}
    rows = [
        [str(len(each)), f"{each[0].rows} x {each[0].columns}", each[0].reason]
        for each in alike.values()
    ]
    if rows:
        print_table(columns, rows)


def print_shape(found: Race, shape: Shape, threads: int) -> None:
    """A table of all engines at one shape, at most 80 columns wide."""
    timings = [timing for timing in found.timings if timing.shape == shape]
    ours = next(timing for timing in timings if timing.engine == _OURS)
    columns = {
        "engine": "left",
        "ms": "right",
        "x ours": "right",
        "per s": "right",
        "MB": "right",
        "load s": "right",
        "deviation": "right",
    }
    title = f"{shape.batch} x {shape.tokens} tokens, {counted(threads, 'thread')}"
    print_table(columns, [_row(timing, ours) for timing in timings], title=title)


def _row(timing: Timing, ours: Timing) -> list[str]:
    return [
        timing.engine,
        f"{timing.milliseconds:.1f}",
        f"{timing.milliseconds / ours.milliseconds:.2f}",
        f"{timing.per_second:.1f}",
        f"{timing.resident_bytes / 1e6:.0f}",
        f"{timing.load_seconds:.2f}",
        f"{timing.deviation:.1e}",
    ]
