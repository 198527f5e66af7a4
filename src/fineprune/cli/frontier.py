"""`fineprune frontier`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from fineprune.cli.options import JsonOption, OverridesArgument, RecipeArgument, ThreadsOption
from fineprune.cli.printing import note, print_json
from fineprune.engine.native import PRECISIONS, Precision
from fineprune.engine.threads import count_threads
from fineprune.errors import FinepruneError
from fineprune.extras import needs
from fineprune.files import require_place, write_json
from fineprune.wording import listed

if TYPE_CHECKING:
    from fineprune.report.frontier.models import Bits


def frontier(
    run: Annotated[Path, typer.Argument(help="A run, of several densities or one.", metavar="RUN")],
    recipe: RecipeArgument,
    overrides: OverridesArgument = None,
    *,
    split: Annotated[str, typer.Option(help="validation or test.")] = "validation",
    dense: Annotated[
        Path | None,
        typer.Option(help="The model before it was pruned; the recipe's teacher if not given."),
    ] = None,
    bits: Annotated[
        str, typer.Option(help="Of packed weights, or of layers/embeddings; several with commas.")
    ] = "8,4",
    precision: Annotated[
        str, typer.Option(help=f"Of the engine, several with commas: {', '.join(PRECISIONS)}.")
    ] = "float32,fast",
    against: Annotated[
        str | None,
        typer.Option(
            help="Engines for the dense model; all that are installed if not given.",
            metavar="NAME,...",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="The file to write; RUN/frontier.json if not given.")
    ] = None,
    threads: ThreadsOption = None,
    rounds: Annotated[int, typer.Option(help="Turns of each engine.", min=1)] = 5,
    json: JsonOption = False,
) -> None:
    """Measure accuracy, bytes and milliseconds of what a run left, beside the dense model.

    Every density is packed with each number of bits and runs in the engine in each precision. The
    dense model runs in the other engines that are installed, in float32 and in int8. Times are
    medians over rounds, in which all take turns.
    """
    with needs("train", "fineprune frontier"):
        from fineprune.report.frontier.measure import Search, measure_frontier
        from fineprune.report.frontier.records import FRONTIER_FILE
        from fineprune.report.text import frontier_lines
        from fineprune.tasks.base import split_named
        from fineprune.tasks.model_names import resolve_name
        from fineprune.training.recipe import read_recipe

    settings = read_recipe(recipe, overrides or ())
    search = Search(
        split=split_named(split),
        bits=_bits(bits),
        precisions=_precisions(precision),
        against=_engines(against),
        threads=count_threads(threads),
        rounds=rounds,
    )
    before = dense or _teacher(resolve_name(settings.teacher) if settings.teacher else None)
    target = output or run / FRONTIER_FILE
    require_place(target)  # before anything is measured
    with Console(stderr=True).status("") as status:
        found = measure_frontier(run, before, settings.task, search, status.update)
    write_json(target, found.record())
    for name, reason in found.left_out.items():
        note(f"left out: {name}: {reason}")
    if json:
        print_json(found.record())
    else:
        print(*frontier_lines(found), sep="\n")


def _teacher(name: str | None) -> Path | None:
    """The recipe's teacher, if it lies on this machine."""
    if name is not None and Path(name).exists():
        return Path(name)
    why = "the recipe has no teacher" if name is None else f"the teacher {name} is not on disk"
    note(f"no dense model: {why}; name one with --dense")
    return None


def _engines(against: str | None) -> list[str]:
    from fineprune.report.frontier.measure import DENSE_ENGINES, installed_engines

    if against is None:
        return installed_engines()
    names = [name.strip() for name in against.split(",") if name.strip()]
    for name in names:
        if name not in DENSE_ENGINES:
            raise FinepruneError(
                f"--against {name!r}: expected one of {listed(DENSE_ENGINES)}, or several of them "
                "with commas"
            )
    return list(dict.fromkeys(names))


def _precisions(text: str) -> list[Precision]:
    names = [name.strip() for name in text.split(",")]
    found = [one for name in names for one in PRECISIONS if one == name]
    if len(found) != len(names):
        raise FinepruneError(f"--precision {text!r}: expected some of {listed(PRECISIONS)}")
    return list(dict.fromkeys(found))


def _bits(text: str) -> "list[Bits]":
    found = []
    for part in text.split(","):
        layers, slash, embeddings = part.strip().partition("/")
        numbers = (layers, embeddings if slash else layers)
        if not all(number.isdecimal() for number in numbers):
            raise FinepruneError(
                f"--bits {text!r}: expected numbers such as 8,4 or 4/3 (layers/embeddings)"
            )
        found.append((int(numbers[0]), int(numbers[1])))
    return list(dict.fromkeys(found))
