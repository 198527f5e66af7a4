"""Times of the engine beside every rival, and where its time goes.

    pip install ".[bench]"
    python benchmarks/engine.py rivals [--deepsparse-python PYTHON] [--json]
    python benchmarks/engine.py parts
    python benchmarks/engine.py sweeps
    python benchmarks/engine.py callers
    python benchmarks/engine.py short

BERT-base in shape, with random weights of which 6% of each layer's are kept at random. Engines run
in processes of their own and take turns; times are medians. DeepSparse needs an environment of its
own (`pip install deepsparse==1.8.0` on Python 3.11 at most), named by its interpreter.
"""

import io
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stderr
from importlib import import_module
from pathlib import Path
from typing import Annotated

import bert_base
import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from fineprune import Engine, pack
from fineprune.engine.native import Precision, arithmetics, choose_instruction_set
from fineprune.report.speed.race import Course, race
from fineprune.report.speed.records import Race
from fineprune.report.speed.rivals import RIVALS
from fineprune.report.speed.shapes import Shape
from fineprune.report.speed.subject import INPUTS, Subject

SHAPES = (Shape(1, 128), Shape(1, 384), Shape(8, 128))
DENSITIES = (0.01, 0.02, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 0.5)
LENGTHS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 6144)
THREADS = 2
PAUSE_SECONDS = 0.05  # between turns: threads that wait for work spin for a while before they sleep
SHORT = (6, 8, 9, 9, 10, 11, 12, 13, 14, 17)
"""Tokens of CLINC150's test texts at 5%, 15% to 95% of them."""
SHORT_DENSITIES = (0.1, 0.05, 0.015)
BATCHES = (Shape(64, 8), Shape(64, 10), Shape(64, 13))
"""Of the same texts, sorted by length."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Console(width=140)

Threads = Annotated[int, typer.Option(help="Of each engine.")]
Rounds = Annotated[int, typer.Option(help="Turns of each engine.")]


@contextmanager
def packed(
    density: float = bert_base.DENSITY, sizes: bert_base.Sizes = bert_base.BERT_BASE
) -> Iterator[Path]:
    """The packed file of a random model."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "plain"
        model = bert_base.weights(uneven=False, density=density, sizes=sizes)
        bert_base.save(model, folder, sizes)
        pack(folder, folder.with_name("packed"))
        yield folder.with_name("packed")


def table(title: str, *headings: str) -> Table:
    """An empty table; all columns but the first are numbers."""
    one = Table(title=title, title_justify="left")
    for index, heading in enumerate(headings):
        one.add_column(heading, justify="right" if index else "left")
    return one


# Beside rivals.


@app.command()
def rivals(
    *,
    rounds: Rounds = 7,
    threads: Threads = THREADS,
    against: Annotated[str, typer.Option(help="Engines, with commas.")] = ",".join(RIVALS),
    deepsparse_python: Annotated[
        Path | None, typer.Option(help="Interpreter of DeepSparse's environment.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Time every engine at each shape."""
    pythons = {} if deepsparse_python is None else {"deepsparse": deepsparse_python}
    course = Course(SHAPES, threads, rounds=rounds, pythons=pythons)
    with packed() as file, Console(stderr=True).status("") as status:
        found = race(file, against.split(","), course, status.update)
    if as_json:
        print(json.dumps({"threads": threads, **found.record()}))
        return
    console.print(times_of(found, threads), costs_of(found))
    for name, reason in found.left_out.items():
        console.print(f"left out: {name}: {reason}", markup=False)


def times_of(found: Race, threads: int) -> Table:
    """Milliseconds at each shape, and how many times those of the engine in float32."""
    one = table(
        f"BERT-base, {bert_base.DENSITY:.0%} kept, {threads} threads: milliseconds, and how many "
        "times fineprune's",
        "engine",
        *(str(shape) for shape in SHAPES),
    )
    times = found.record()["shapes"]
    for name in dict.fromkeys(timing.engine for timing in found.timings):
        cells = []
        for shape in map(str, SHAPES):
            mine, ours = times[shape].get(name), times[shape].get("fineprune")
            factor = f" ({mine / ours:.2f})" if mine and ours else ""
            cells.append(f"{mine:.1f}{factor}" if mine else "")
        one.add_row(name, *cells)
    return one


def costs_of(found: Race) -> Table:
    """What else an engine takes, and how exact it is."""
    one = table(
        "Loading (of the first shape, imports included), memory of the process, outputs",
        "engine", "load, s", "memory, MB", "outputs differ by",
    )  # fmt: skip
    first, last = SHAPES[0], SHAPES[-1]
    record = found.record()
    for name in record["shapes"][str(last)]:
        one.add_row(
            name,
            f"{record['load_seconds'][str(first)][name]:.2f}",
            f"{record['resident_bytes'][str(last)][name] / 1e6:.0f}",
            f"{max(record['deviation'][str(shape)][name] for shape in SHAPES):.1e}",
        )
    return one


# Where the time goes.


@app.command()
def parts(*, rounds: Rounds = 7, threads: Threads = THREADS) -> None:
    """Split the engine's time into linear layers, attention, and the rest.

    Without any weights, what is left is attention and the rest. With the same tokens cut into
    sequences of half the length, attention takes half of its time.
    """
    with packed() as full, packed(density=0.0) as empty:
        engines = [
            (Engine(full, threads, precision), Engine(empty, threads, precision))
            for precision in precisions()
        ]
    runs = [run for both in engines for shape in SHAPES for run in runs_apart(*both, shape)]
    times = iter(interleaved(runs, rounds))
    kept = sum(matrix.kept for matrix in engines[0][0].plan())
    for precision in precisions():
        one = table(
            f"Where the time goes, {precision}, {threads} threads, milliseconds",
            "tokens", "all", "linear layers", "attention", "the rest", "GFLOP/s of linears",
        )  # fmt: skip
        for shape in SHAPES:
            everything, without, halves = (next(times) for _ in range(3))
            linears, attention = everything - without, 2 * (without - halves)
            seconds = (everything, linears, attention, without - attention)
            speed = 2 * kept * shape.batch * shape.tokens / linears / 1e9
            one.add_row(str(shape), *(f"{1e3 * part:.1f}" for part in seconds), f"{speed:.0f}")
        console.print(one)


def runs_apart(full: Engine, empty: Engine, shape: Shape) -> list[Callable[[], object]]:
    """Runs with weights, without, and without on sequences of half the length."""
    halves = Shape(2 * shape.batch, shape.tokens // 2)
    return [running(full, shape), running(empty, shape), running(empty, halves)]


def precisions() -> list[Precision]:
    """What this CPU has."""
    return [*arithmetics(choose_instruction_set())]


def running(engine: Engine, shape: Shape) -> Callable[[], object]:
    """A run of the engine at a shape."""
    random = np.random.default_rng(0)
    ids = random.integers(5, bert_base.VOCABULARY, (shape.batch, shape.tokens))
    return lambda: engine.run(ids)


def interleaved(actions: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """Median seconds of each of several calls, which take turns."""
    seconds: list[list[float]] = [[] for _ in actions]
    for number in range(rounds + 1):
        for action, mine in zip(actions, seconds, strict=True):
            time.sleep(PAUSE_SECONDS)
            start = time.perf_counter()
            action()
            if number:  # the first is warm-up
                mine.append(time.perf_counter() - start)
    return [statistics.median(mine) for mine in seconds]


# How it scales.


@app.command()
def sweeps(*, rounds: Rounds = 7, threads: Threads = THREADS) -> None:
    """Vary density, tokens, size of the model, and threads."""
    console.print(by_density(rounds, threads))
    with packed() as file:
        console.print(by_tokens(file, rounds, threads), by_threads({"BERT-base": file}, rounds))
        with packed(sizes=bert_base.MINILM) as small:
            console.print(by_threads({"MiniLM, 6 layers of 384": small}, rounds))
        console.print(loading(file, rounds, threads))


def by_density(rounds: int, threads: int) -> Table:
    """Where sparse stops paying: whole runs, and how many matrices run dense."""
    one = table(
        f"By density, {SHAPES[0]} tokens, {threads} threads, milliseconds",
        "kept", *precisions(), "matrices that run dense", "3072 x 768, sparse", "dense",
    )  # fmt: skip
    densities = (*DENSITIES, 1.0)
    engines = []
    for density in densities:
        with packed(density=density) as file:
            engines.append([Engine(file, threads, precision) for precision in precisions()])
    runs = [running(engine, SHAPES[0]) for both in engines for engine in both]
    times = iter(interleaved(runs, rounds))
    for density, both in zip(densities, engines, strict=True):
        plans = [engine.plan() for engine in both]
        wide = next(matrix for matrix in plans[0] if matrix.rows > matrix.columns)
        dense = (str(sum(matrix.kind == "dense" for matrix in plan)) for plan in plans)
        one.add_row(
            f"{density:.0%}",
            *(f"{1e3 * next(times):.1f}" for _ in both),
            f"{'/'.join(dense)} of {len(plans[0])}",
            f"{wide.sparse_milliseconds:.3f}",
            f"{wide.dense_milliseconds:.3f}",
        )
    return one


def by_tokens(file: Path, rounds: int, threads: int) -> Table:
    """From one token to many, in sequences of at most 512."""
    one = table(
        f"By tokens, {threads} threads",
        "shape", *(f"{one}, {unit}" for one in precisions() for unit in ("ms", "tokens/s")),
    )  # fmt: skip
    engines = [Engine(file, threads, precision) for precision in precisions()]
    shapes = [Shape(max(1, tokens // 512), min(tokens, 512)) for tokens in LENGTHS]
    runs = [running(engine, shape) for shape in shapes for engine in engines]
    times = iter(interleaved(runs, rounds))
    for tokens, shape in zip(LENGTHS, shapes, strict=True):
        cells: list[str] = []
        for _ in engines:
            seconds = next(times)
            cells += [f"{1e3 * seconds:.2f}", f"{tokens / seconds:,.0f}"]
        one.add_row(str(shape), *cells)
    return one


def by_threads(files: Mapping[str, Path], rounds: int) -> Table:
    """One thread against two."""
    one = table(
        "By threads, milliseconds", "model", "shape", "1 thread", "2 threads", "times faster"
    )
    for name, file in files.items():
        for precision in precisions():
            engines = [Engine(file, threads, precision) for threads in (1, 2)]
            for shape in SHAPES:
                alone, both = interleaved([running(each, shape) for each in engines], rounds)
                times = (f"{1e3 * alone:.1f}", f"{1e3 * both:.1f}", f"{alone / both:.2f}")
                one.add_row(f"{name}, {precision}", str(shape), *times)
    return one


def loading(file: Path, rounds: int, threads: int) -> Table:
    """Seconds from the file to an engine, and the memory of a process that serves it."""
    [seconds] = interleaved([lambda: Engine(file, threads)], rounds)
    served = race(file, ["fineprune"], Course(SHAPES, threads, rounds=1), lambda line: None)
    one = table("Loading and memory", "what", "")
    one.add_row("load, s", f"{seconds:.2f}")
    for timing in served.timings:
        one.add_row(f"memory after {timing.shape}, MB", f"{timing.resident_bytes / 1e6:.0f}")
    return one


# Short texts.


@app.command()
def short(*, rounds: Rounds = 7, threads: Threads = THREADS) -> None:
    """Texts as short as people's requests, one by one and in batches, beside dense engines in int8.

    A MiniLM of 6 layers of 384, random weights, and lengths as of CLINC150's test texts: a round is
    a text of each. One by one the dense engine is ONNX Runtime, quantized dynamically, a scale a
    channel; in batches OpenVINO runs as well.
    """
    one = table(
        f"One text at a time, {len(SHORT)} texts of {statistics.median(SHORT):.0f} tokens in the "
        f"median, {threads} threads, milliseconds a text",
        "kept", "ONNX Runtime int8", *(*precisions(), "fast"), "fast chose", "fast / ONNX Runtime",
    )  # fmt: skip
    for density in SHORT_DENSITIES:
        with packed(density=density, sizes=bert_base.MINILM) as file:
            asked: list[Precision] = [*precisions(), "fast"]
            engines = [Engine(file, threads, precision) for precision in asked]
            with dense_int8(file, threads) as rival:
                runs = [over_short_texts(rival), *(over_short_texts(each.run) for each in engines)]
                times = [1e3 * each / len(SHORT) for each in interleaved(runs, rounds)]
        cells = (f"{each:.3f}" for each in times)
        one.add_row(f"{density:.1%}", *cells, engines[-1].arithmetic, f"{times[-1] / times[0]:.2f}")
    console.print(one, by_length(rounds, threads))


def by_length(rounds: int, threads: int) -> Table:
    """The same texts in batches of like length, in engines that are loaded for each length."""
    names = ("onnxruntime-int8", "openvino-int8", "fineprune", "fineprune-fast")
    one = table(
        f"In batches of {', '.join(map(str, BATCHES))}, {threads} threads, texts a second",
        "kept", *names, "fast / the best int8",
    )  # fmt: skip
    texts = sum(shape.batch for shape in BATCHES)
    for density in SHORT_DENSITIES:
        with packed(density=density, sizes=bert_base.MINILM) as file:
            found = race(file, names, Course(BATCHES, threads, rounds=rounds), lambda line: None)
        times = found.record()["shapes"]
        speeds = [
            1e3 * texts / sum(times[str(shape)].get(name, np.inf) for shape in BATCHES)
            for name in names
        ]
        cells = (f"{speed:,.0f}" for speed in speeds)
        one.add_row(f"{density:.1%}", *cells, f"{speeds[-1] / max(speeds[:2]):.2f}")
    return one


def over_short_texts(run: Callable[..., object]) -> Callable[[], None]:
    """Runs a text of each length."""
    random = np.random.default_rng(0)
    texts = [random.integers(5, bert_base.VOCABULARY, (1, length)) for length in SHORT]

    def run_all() -> None:
        for ids in texts:
            run(ids, np.ones_like(ids))

    return run_all


@contextmanager
def dense_int8(file: Path, threads: int) -> Iterator[Callable[..., object]]:
    """The same model in ONNX Runtime, in one session for all lengths."""
    onnxruntime = import_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    with tempfile.TemporaryDirectory() as temporary:
        with redirect_stderr(io.StringIO()):
            artifact = RIVALS["onnxruntime-int8"].prepare(Subject(file, Path(temporary)))
        session = onnxruntime.InferenceSession(
            str(artifact), options, providers=["CPUExecutionProvider"]
        )
        yield lambda ids, mask: session.run(None, dict(zip(INPUTS, (ids, mask), strict=True)))


# Callers at the same time.


@app.command()
def callers(*, rounds: Rounds = 7, threads: Threads = THREADS) -> None:
    """Runs a second of one engine, by how many Python threads call it, beside one of one thread.

    Where other programs take the CPUs, CPU time a run tells more: where it stays the same, callers
    do not hold each other up.
    """
    shape = Shape(1, 64)
    with packed(sizes=bert_base.MINILM) as file:
        alone, shared = Engine(file, 1), Engine(file, threads)
    cases = [(alone, 1), *((shared, count) for count in (1, 2, 4, 8))]
    found: list[list[tuple[float, float]]] = [[] for _ in cases]
    for number in range(rounds + 1):
        for (engine, count), mine in zip(cases, found, strict=True):
            if number:  # the first is warm-up
                mine.append(rate_of(running(engine, shape), count))
            else:
                engine.run([[5]])
    one = table(
        f"MiniLM, 6 layers of 384, {shape} tokens",
        "threads", "callers", "runs/s", "times", "CPU ms a run", "times",
    )  # fmt: skip
    for (engine, count), mine in zip(cases, found, strict=True):
        pairs = list(zip(mine, found[0], strict=True))
        cells = []
        for place in (0, 1):
            number_of = statistics.median(each[place] for each in mine)
            times = statistics.median(each[place] / first[place] for each, first in pairs)
            cells += [f"{number_of:.2f}" if place else f"{number_of:.0f}", f"{times:.2f}"]
        one.add_row(str(engine.threads), str(count), *cells)
    console.print(one)


def rate_of(run: Callable[[], object], callers: int, seconds: float = 1.0) -> tuple[float, float]:
    """Runs a second, and milliseconds of CPU a run, of so many threads that do nothing else."""
    start, busy = time.perf_counter(), time.process_time()

    def call(_: int) -> int:
        count = 0
        while time.perf_counter() < start + seconds:
            run()
            count += 1
        return count

    with ThreadPoolExecutor(callers) as pool:
        runs = sum(pool.map(call, range(callers)))
    return runs / (time.perf_counter() - start), 1e3 * (time.process_time() - busy) / runs


if __name__ == "__main__":
    app()
