"""Times engines side by side, in turns."""

import io
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fineprune.errors import FinepruneError
from fineprune.packing import read_packed
from fineprune.report.speed.process import EngineProcess, EngineStoppedError, engine_process
from fineprune.report.speed.rivals import RIVALS
from fineprune.report.speed.shapes import Shape
from fineprune.report.speed.subject import Subject
from fineprune.wording import listed

REFERENCES = ("torch", "fineprune")
"""What outputs are held against: the first of these that ran."""

_BERT_VOCABULARY = 30522
_PAUSE_SECONDS = 0.1  # between turns: threads that wait for work spin for a while before they sleep

Say = Callable[[str], None]


class UnknownEngineError(FinepruneError):
    """A name of no engine."""


@dataclass(frozen=True)
class Course:
    """What is timed.

    Attributes:
        shapes: of the inputs.
        threads: of each engine.
        rounds: how often each engine has its turn at each shape.
        least_runs: runs of a turn at least.
        least_seconds: how long a turn takes at least.
        pythons: interpreters of engines that are installed elsewhere, by name.
    """

    shapes: Sequence[Shape]
    threads: int
    rounds: int = 5
    least_runs: int = 3
    least_seconds: float = 0.3
    pythons: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Timing:
    """How an engine did at a shape.

    Attributes:
        engine: its name.
        shape: of the inputs.
        milliseconds: median over all runs of all turns.
        load_seconds: from the prepared file to an engine that can run.
        resident_bytes: memory of its process at the last turn.
        deviation: largest difference to the outputs of the reference, relative to their largest
            magnitude.
    """

    engine: str
    shape: Shape
    milliseconds: float
    load_seconds: float
    resident_bytes: int
    deviation: float

    @property
    def per_second(self) -> float:
        """Sequences a second."""
        return 1e3 * self.shape.batch / self.milliseconds


@dataclass(frozen=True)
class Race:
    """What came of it.

    Attributes:
        timings: shape by shape, engines in the order in which they were named.
        left_out: engines that were not timed, or not at all shapes, and why.
    """

    timings: Sequence[Timing]
    left_out: Mapping[str, str]

    def require(self, name: str) -> None:
        """Raises `EngineStoppedError` if an engine was left out."""
        if name in self.left_out:
            raise EngineStoppedError(f"{name}: {self.left_out[name]}")

    def record(self) -> dict[str, Any]:
        """All of it, as `fineprune bench --json` prints it."""
        return {
            "shapes": self._by_shape(lambda timing: timing.milliseconds),
            "per_second": self._by_shape(lambda timing: timing.per_second),
            "deviation": self._by_shape(lambda timing: timing.deviation),
            "resident_bytes": self._by_shape(lambda timing: timing.resident_bytes),
            "load_seconds": self._by_shape(lambda timing: timing.load_seconds),
            "left_out": dict(self.left_out),
        }

    def _by_shape(self, value: Callable[[Timing], float]) -> dict[str, dict[str, float]]:
        shapes: dict[str, dict[str, float]] = {}
        for timing in self.timings:
            shapes.setdefault(str(timing.shape), {})[timing.engine] = value(timing)
        return shapes


def why_missing(name: str, pythons: Mapping[str, Path]) -> str:
    """Why an engine cannot be timed; empty if it can.

    Raises:
        UnknownEngineError: there is no such engine.
    """
    if name not in RIVALS:
        raise UnknownEngineError(f"there is no engine {name!r}; expected one of {listed(RIVALS)}")
    rival = RIVALS[name]
    here = {*rival.packages, *(() if name in pythons else rival.runs_with)}
    absent = sorted(package for package in here if find_spec(package) is None)
    return f"not installed: {', '.join(absent)}" if absent else ""


def race(packed: Path, names: Sequence[str], course: Course, say: Say) -> Race:
    """Times engines in turns.

    Args:
        packed: a packed file.
        names: of the engines, keys of `RIVALS`.
        course: what is timed.
        say: is told what is being done.

    Raises:
        UnknownEngineError: there is no such engine.
        PackedFileError: the file is no packed model.
    """
    reasons = {name: why_missing(name, course.pythons) for name in names}
    left_out = {name: reason for name, reason in reasons.items() if reason}
    vocabulary = read_packed(packed).config.get("vocab_size", _BERT_VOCABULARY)
    timings: list[Timing] = []
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        subject = Subject(packed.resolve(), Path(temporary))
        processes: dict[str, EngineProcess] = {}
        for name in names:
            if name not in left_out:
                say(f"preparing {name}")
                try:
                    artifact = _prepare(name, subject)
                except Exception as error:  # of libraries that are not ours: one engine less
                    left_out[name] = f"cannot be prepared: {' '.join(str(error).split())}"
                    continue
                python = course.pythons.get(name)
                process = engine_process(name, artifact, course.threads, subject.folder, python)
                processes[name] = stack.enter_context(process)
        for shape in course.shapes:
            ids = np.random.default_rng(0).integers(5, vocabulary, (shape.batch, shape.tokens))
            timings += _lap(_Lap(shape, ids, Path(temporary)), processes, course, left_out, say)
    return Race(timings, left_out)


def _prepare(name: str, subject: Subject) -> Path:
    """Writes what an engine takes; what libraries print about it is dropped."""
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        return RIVALS[name].prepare(subject)


@dataclass(frozen=True, eq=False)
class _Lap:
    """A shape's turns.

    Attributes:
        shape: of the inputs.
        ids: the inputs.
        folder: for what engines say.
    """

    shape: Shape
    ids: NDArray[Any]
    folder: Path

    def request(self, name: str, course: Course) -> dict[str, Any]:
        """What an engine's process is asked."""
        return {
            "shape": str(self.shape),
            "ids": self.ids.tolist(),
            "output": str(self.output(name)),
            "least_runs": course.least_runs,
            "least_seconds": course.least_seconds,
        }

    def output(self, name: str) -> Path:
        """Where an engine writes what it says."""
        return self.folder / f"{name}.{self.shape}.npy"


def _lap(
    lap: _Lap,
    processes: dict[str, EngineProcess],
    course: Course,
    left_out: dict[str, str],
    say: Say,
) -> list[Timing]:
    """The turns of all engines at a shape; one that stops is left out from there on."""
    answers: dict[str, list[dict[str, Any]]] = {name: [] for name in processes}
    for number in range(course.rounds):
        for name in list(processes):
            say(f"{lap.shape}: round {number + 1} of {course.rounds}, {name}")
            time.sleep(_PAUSE_SECONDS)
            try:
                answers[name].append(processes[name].ask(lap.request(name, course)))
            except EngineStoppedError as error:
                left_out[name] = f"stopped at {lap.shape}: {error}"
                del processes[name], answers[name]
    return list(_timings(lap, answers))


def _timings(lap: _Lap, answers: Mapping[str, Sequence[dict[str, Any]]]) -> Iterator[Timing]:
    said = {name: np.load(lap.output(name)) for name in answers}
    expected = next((said[name] for name in REFERENCES if name in said), None)
    for name, turns in answers.items():
        seconds = [second for turn in turns for second in turn["seconds"]]
        yield Timing(
            engine=name,
            shape=lap.shape,
            milliseconds=1e3 * statistics.median(seconds),
            load_seconds=turns[0]["load_seconds"],
            resident_bytes=turns[-1]["resident_bytes"],
            deviation=np.nan if expected is None else _deviation(said[name], expected),
        )


def _deviation(found: NDArray[Any], expected: NDArray[Any]) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())
