"""Scores and times the models of a run and the dense one, each in a process of its own."""

import io
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from fineprune.engine.native import Precision, choose_instruction_set
from fineprune.errors import CheckpointError, RecipeError
from fineprune.packing import read_packed
from fineprune.report.accuracy import require_head, task_of, tokenizer_of
from fineprune.report.frontier.findings import in_words
from fineprune.report.frontier.models import Bits, PackedPoint, pack_exactly, packed_models
from fineprune.report.frontier.records import Frontier, Machine, Point
from fineprune.report.machine import cpu_name
from fineprune.report.rows import Rows
from fineprune.report.speed.process import EngineProcess, EngineStoppedError, engine_process
from fineprune.report.speed.race import why_missing
from fineprune.report.speed.rivals import RIVALS
from fineprune.report.speed.subject import Subject
from fineprune.tasks.base import (
    EvaluationSet,
    Logits,
    Metrics,
    Split,
    Task,
    metric_name,
    score_sets,
)
from fineprune.tasks.registry import TaskSettings, load_task
from fineprune.tasks.sentence_embedding import SentenceEmbeddingSettings
from fineprune.text.settings import TOKENIZER

DENSE_ENGINES = (
    "torch",
    "onnxruntime",
    "onnxruntime-int8",
    "onnxruntime-int8-static",
    "openvino",
    "openvino-int8",
)
"""What runs the dense model beside ours, where it is installed."""

_CALIBRATION_ROWS = 320
_SINGLE_ROWS = 200  # that are timed one after the other
_BATCHED_ROWS = 1024
_BATCH = 64
_PAUSE_SECONDS = 0.1  # between turns: threads that wait for work spin for a while before they sleep

Say = Callable[[str], None]


def installed_engines() -> list[str]:
    """Those of `DENSE_ENGINES` that can be measured here."""
    return [name for name in DENSE_ENGINES if not why_missing(name, {})]


@dataclass(frozen=True)
class Search:
    """What is measured.

    Attributes:
        split: to score.
        bits: that models are packed with.
        precisions: of the engine.
        against: engines that run the dense model.
        threads: of each engine.
        rounds: turns of each engine when it is timed.
    """

    split: Split
    bits: Sequence[Bits]
    precisions: Sequence[Precision]
    against: Sequence[str]
    threads: int
    rounds: int = 5


@dataclass(frozen=True)
class _Contender:
    """A model in an engine: what it is, and the process it runs in."""

    engine: str
    name: str
    precision: str
    density: float
    bits: Bits | None
    bytes: int
    process: EngineProcess
    folder: Path


def measure_frontier(
    run: Path, dense: Path | None, settings: TaskSettings, search: Search, say: Say
) -> Frontier:
    """Measures all models of a run, and the dense model beside them.

    Args:
        run: of `fineprune train`, or a plain folder.
        dense: the model that was pruned, before: a run, a folder or a packed file; None for none.
        settings: the section `task` of a recipe.
        search: what is measured.
        say: is told what is being done.

    Raises:
        FinepruneError: a model cannot be run, the data cannot be read, or they do not fit.
    """
    if isinstance(settings, SentenceEmbeddingSettings):
        raise RecipeError(
            "a frontier of sentence embeddings cannot be measured: other engines do not pool; see "
            "fineprune evaluate --engine for accuracy, and fineprune bench for time"
        )
    with TemporaryDirectory(prefix="fineprune-") as temporary, ExitStack() as stack:
        scratch = Path(temporary)
        say("packing")
        packed = list(packed_models(run, search.bits, scratch))
        task, sets = task_of(packed[0].file, settings, search.split)
        stage = _Stage(task, sets, search, scratch, say)
        contenders = [
            stage.ours(stack, one, precision) for one in packed for precision in search.precisions
        ]
        if dense is not None and search.against:
            contenders += stage.dense(stack, dense, packed[0].file, settings)
        scored = stage.score(contenders)
        times = stage.times([one for one, _ in scored])
        timed = [(*pair, both) for pair, both in zip(scored, times, strict=True) if all(both)]
    found = Frontier(
        task=settings.kind,
        split=search.split,
        metric=metric_name(sets[0], task.metric),
        rows=sum(one.examples for one in sets),
        machine=Machine(cpu_name(), search.threads, choose_instruction_set()),
        points=[_point(one, metrics, both) for one, metrics, both in timed],
        left_out=stage.left_out,
    )
    return replace(found, words=tuple(in_words(found)))


def _point(one: _Contender, metrics: Metrics, times: tuple[float, float]) -> Point:
    bits = one.bits or (None, None)
    return Point(
        engine=one.name,
        precision=one.precision,
        density=one.density,
        bits=bits[0],
        embedding_bits=bits[1],
        metrics=metrics,
        bytes=one.bytes,
        milliseconds=1e3 * times[0],
        texts_per_second=1 / times[1],
    )


class _Stage:
    """Starts engines, and has them answer a task's texts.

    Args:
        task: with the sets.
        sets: to score.
        search: what is measured.
        scratch: a folder for what engines take and say.
        say: is told what is being done.
    """

    def __init__(
        self,
        task: Task,
        sets: Sequence[EvaluationSet],
        search: Search,
        scratch: Path,
        say: Say,
    ) -> None:
        self._task = task
        self.left_out: dict[str, str] = {}
        self._sets = sets
        self._search = search
        self._scratch = scratch
        self._say = say
        self._files = [scratch / f"rows-{number}.npz" for number in range(len(sets))]
        all_rows = [Rows.of(one.features) for one in sets]
        for rows, file in zip(all_rows, self._files, strict=True):
            rows.write(file)
        self._typed = "token_type_ids" in all_rows[0].columns
        self._timed = {
            size: self._some(all_rows[0], count, scratch / f"timed-{size}.npz")
            for size, count in ((1, _SINGLE_ROWS), (_BATCH, _BATCHED_ROWS))
        }

    @staticmethod
    def _some(rows: Rows, count: int, file: Path) -> tuple[Path, int]:
        """Writes rows that stand at equal distances, and says how many these are."""
        places = np.unique(np.linspace(0, len(rows) - 1, count).astype(int)).tolist()
        rows.pick(places).write(file)
        return file, len(places)

    def ours(self, stack: ExitStack, packed: PackedPoint, precision: Precision) -> _Contender:
        """Starts the engine of this package."""
        name = "fineprune" if precision == "float32" else f"fineprune-{precision}"
        folder = self._folder(f"{packed.file.stem}-{precision}")
        process = self._start(stack, name, packed.file.resolve(), folder)
        size = packed.file.stat().st_size
        return _Contender(
            name, "fineprune", precision, packed.density, packed.bits, size, process, folder
        )

    def dense(
        self, stack: ExitStack, model: Path, like: Path, settings: TaskSettings
    ) -> list[_Contender]:
        """Prepares the dense model for other engines and starts them; who fails is left out."""
        file = self._scratch / "dense.safetensors"
        self._say("reading the dense model")
        pack_exactly(model, file)
        require_head(file, self._task.head, str(model))
        tokenizer = _same_tokenizer(file, like)
        calibration = self._calibration(like, settings)
        subject = Subject(
            file.resolve(), self._folder("dense"), typed=self._typed, calibration=calibration
        )
        found = []
        for name in self._search.against:
            self.left_out |= {name: why} if (why := why_missing(name, {})) else {}
            artifact = None if name in self.left_out else self._prepared(name, subject)
            if artifact is not None:
                folder = self._folder(name)
                process = self._start(stack, name, artifact, folder)
                brand, _, precision = name.partition("-")
                size = _stored_bytes(artifact) + tokenizer
                found.append(
                    _Contender(
                        name, brand, precision or "float32", 1.0, None, size, process, folder
                    )
                )
        return found

    def _calibration(self, like: Path, settings: TaskSettings) -> Rows | None:
        """Texts of the training set; none where nobody is calibrated."""
        if not any("int8" in name for name in self._search.against):
            return None
        rows = Rows.of(load_task(settings).training_features(tokenizer_of(like)))
        order = np.random.default_rng(0).permutation(len(rows))
        return rows.pick(order[:_CALIBRATION_ROWS].tolist())

    def _prepared(self, name: str, subject: Subject) -> Path | None:
        self._say(f"preparing {name}")
        try:
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                return RIVALS[name].prepare(subject)
        except Exception as error:  # of libraries that are not ours: one engine less
            self.left_out[name] = f"cannot be prepared: {' '.join(str(error).split())}"
            return None

    def _folder(self, name: str) -> Path:
        folder = self._scratch / name
        folder.mkdir()
        return folder

    def _start(self, stack: ExitStack, name: str, artifact: Path, folder: Path) -> EngineProcess:
        threads = self._search.threads
        return stack.enter_context(engine_process(name, artifact, threads, folder, None))

    def score(self, contenders: Sequence[_Contender]) -> list[tuple[_Contender, Metrics]]:
        """Metrics over all texts of each that can run them; another engine that fails is left out.

        Raises:
            EngineStoppedError: our own failed.
        """
        found = []
        for one in contenders:
            self._say(f"scoring {one.name} {one.precision}, {one.density:.1%} kept")
            try:
                logits = [self._outputs(one, file) for file in self._files]
            except EngineStoppedError as error:
                self._leave_out(one, error)
            else:
                found.append((one, score_sets(self._sets, logits)))
        return found

    def _outputs(self, one: _Contender, file: Path) -> Logits:
        output = one.folder / "outputs.npz"
        one.process.ask({"outputs": str(file), "output": str(output)})
        with np.load(output, allow_pickle=False) as content:
            return tuple(content[name] for name in content.files)

    def times(self, contenders: Sequence[_Contender]) -> list[tuple[float, float]]:
        """Seconds a text, alone and in batches: medians over rounds, in which all take turns.

        Zeros stand for an engine that stopped.
        """
        found: list[tuple[list[float], list[float]]] = [([], []) for _ in contenders]
        for number in range(self._search.rounds + 1):
            for one, mine in zip(contenders, found, strict=True):
                self._say(f"timing {one.name}: round {number} of {self._search.rounds}")
                for seconds, (batch, (file, rows)) in zip(mine, self._timed.items(), strict=True):
                    time.sleep(_PAUSE_SECONDS)
                    taken = self._seconds(one, {"rows": str(file), "batch": batch})
                    if number:  # the first is warm-up
                        seconds.append(taken / rows)
        return [(statistics.median(alone), statistics.median(batched)) for alone, batched in found]

    def _seconds(self, one: _Contender, request: Mapping[str, Any]) -> float:
        """How long a request takes; no number of an engine that has stopped."""
        if one.engine in self.left_out:
            return 0.0
        try:
            seconds: float = one.process.ask(request)["seconds"]
        except EngineStoppedError as error:
            self._leave_out(one, error)
            return 0.0
        return seconds

    def _leave_out(self, one: _Contender, error: EngineStoppedError) -> None:
        """Goes on without an engine that stopped, unless it is ours."""
        if one.bits is not None:
            raise error
        self.left_out[one.engine] = str(error)


def _same_tokenizer(file: Path, other: Path) -> int:
    """Bytes of a packed file's tokenizer, if it is that of another one as well."""
    mine, its = (read_packed(one, tensors=()).attachments.get(TOKENIZER) for one in (file, other))
    if mine is None or mine != its:
        raise CheckpointError(
            "the dense model has another tokenizer than the pruned one: name the model that was "
            "pruned with --dense"
        )
    return len(mine)


def _stored_bytes(artifact: Path) -> int:
    """Of a file, of the files of a folder, or of a graph with its weights beside it."""
    if artifact.is_dir():
        return sum(one.stat().st_size for one in artifact.glob("*.safetensors"))
    beside = artifact.with_suffix(".bin")
    return artifact.stat().st_size + (beside.stat().st_size if beside.exists() else 0)
