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
from fineprune.report.speed.records import Race, Timing
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
    absent = {name: reason for name, reason in reasons.items() if reason}
    vocabulary = read_packed(packed).config.get("vocab_size", _BERT_VOCABULARY)
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        starters = _Starters(course, Path(temporary), say, absent)
        subject = Subject(packed.resolve(), starters.folder)
        for name in names:
            if name not in absent:
                starters.enter(name, subject, stack)
        timings = [
            timing
            for shape in course.shapes
            for timing in starters.run(shape, _token_ids(shape, vocabulary))
        ]
    return Race(timings, starters.left_out)


def _token_ids(shape: Shape, vocabulary: int) -> NDArray[Any]:
    return np.random.default_rng(0).integers(5, vocabulary, (shape.batch, shape.tokens))


class _Starters:
    """The engines that take part, each in its process, and those that dropped out.

    Args:
        course: what is timed.
        folder: for what engines take and say.
        say: is told what is being done.
        left_out: engines that do not take part, and why; grows.
    """

    def __init__(self, course: Course, folder: Path, say: Say, left_out: dict[str, str]) -> None:
        self._course = course
        self._say = say
        self._processes: dict[str, EngineProcess] = {}
        self.folder = folder
        self.left_out = left_out

    def enter(self, name: str, subject: Subject, stack: ExitStack) -> None:
        """Prepares an engine and starts its process, which the stack will end."""
        self._say(f"preparing {name}")
        try:
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                artifact = RIVALS[name].prepare(subject)
        except Exception as error:  # of libraries that are not ours: one engine less
            self.left_out[name] = f"cannot be prepared: {' '.join(str(error).split())}"
            return
        python = self._course.pythons.get(name)
        process = engine_process(name, artifact, self._course.threads, self.folder, python)
        self._processes[name] = stack.enter_context(process)

    def run(self, shape: Shape, ids: NDArray[Any]) -> Iterator[Timing]:
        """All turns at a shape; an engine that stops has dropped out from there on."""
        answers: dict[str, list[dict[str, Any]]] = {name: [] for name in self._processes}
        for number in range(self._course.rounds):
            for name in list(self._processes):
                self._say(f"{shape}: round {number + 1} of {self._course.rounds}, {name}")
                time.sleep(_PAUSE_SECONDS)
                try:
                    answers[name].append(self._turn(name, shape, ids))
                except EngineStoppedError as error:
                    self.left_out[name] = f"stopped at {shape}: {error}"
                    del self._processes[name], answers[name]
        said = {name: np.load(self._output(name)) for name in answers}
        expected = next((said[name] for name in REFERENCES if name in said), None)
        for name, turns in answers.items():
            yield _timing(name, shape, turns, _deviation(said[name], expected))

    def _turn(self, name: str, shape: Shape, ids: NDArray[Any]) -> dict[str, Any]:
        return self._processes[name].ask(
            {
                "shape": str(shape),
                "ids": ids.tolist(),
                "output": str(self._output(name)),
                "least_runs": self._course.least_runs,
                "least_seconds": self._course.least_seconds,
            }
        )

    def _output(self, name: str) -> Path:
        return self.folder / f"{name}.npy"


def _timing(
    name: str, shape: Shape, turns: Sequence[Mapping[str, Any]], deviation: float
) -> Timing:
    return Timing(
        engine=name,
        shape=shape,
        milliseconds=1e3 * statistics.median(one for turn in turns for one in turn["seconds"]),
        load_seconds=turns[0]["load_seconds"],
        resident_bytes=turns[-1]["resident_bytes"],
        deviation=deviation,
    )


def _deviation(found: NDArray[Any], expected: NDArray[Any] | None) -> float:
    """The largest difference relative to the largest magnitude; not a number without reference."""
    if expected is None:
        return float("nan")
    return float(np.abs(found - expected).max() / np.abs(expected).max())
