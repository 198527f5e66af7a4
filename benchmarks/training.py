"""What a pruned training step costs beside a dense one, and a distilled one beside a plain one.

    python benchmarks/training.py steps [--shapes minilm-32x64,...] [--methods fisher,...] [--json]
    python benchmarks/training.py teacher [--json]
    python benchmarks/training.py memory [--json]

Random weights in the shape of the models, float32 (on a GPU bfloat16), embeddings frozen in all
runs. The dense step
is that of plain `transformers.Trainer`. All runs of a shape take turns, a step each, so that a
machine that is slow for a while is slow for all; a figure is the median over the rounds of the
mean over consecutive steps, of which at least two make new masks, divided by that of the dense run
over the same steps. Run it on an idle machine.
"""

import copy
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from threading import Condition
from typing import Annotated, Any

import torch
import typer
from datasets import Dataset
from rich.console import Console
from rich.table import Table
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    PreTrainedModel,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    default_data_collator,
)
from transformers.trainer_callback import PrinterCallback

from fineprune import (
    L0,
    FinePruningTrainer,
    Fisher,
    Magnitude,
    Method,
    Movement,
    PruningSchedule,
    SoftMovement,
    attach,
)
from fineprune.report.machine import cpu_name

app = typer.Typer(add_completion=False)

Maker = Callable[[TrainingArguments], Trainer]
"""Makes the trainer of a run."""

KEEP = 0.05
LABELS = 2
VOCABULARY = 30522
WARM_UP = 2
"""Steps before the clock starts: memory is taken in them, and the optimizer's state made."""


@dataclass(frozen=True)
class Shape:
    """A model's sizes, and those of one optimizer step."""

    hidden: int
    layers: int
    batch: int
    tokens: int
    accumulation: int = 1
    gpu: bool = False
    """Whether it is for a GPU, and in bfloat16 there."""

    def model(self) -> PreTrainedModel:
        """A classifier with random weights, its embeddings frozen."""
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=VOCABULARY,
            hidden_size=self.hidden,
            num_hidden_layers=self.layers,
            num_attention_heads=12,
            intermediate_size=4 * self.hidden,
        )
        config.num_labels = LABELS
        model = BertForSequenceClassification(config)
        model.bert.embeddings.requires_grad_(False)
        return model

    def examples(self, steps: int) -> Dataset:
        """Random token ids, enough for so many steps."""
        generator = torch.Generator().manual_seed(1)
        size = self.batch * self.accumulation * steps
        ids = torch.randint(1000, VOCABULARY, (size, self.tokens), generator=generator)
        labels = torch.randint(0, LABELS, (size,), generator=generator)
        return Dataset.from_dict({"input_ids": ids.numpy(), "labels": labels.numpy()})


SHAPES: Mapping[str, Shape] = {
    "minilm-32x64": Shape(384, 6, 32, 64),
    "minilm-64x16": Shape(384, 6, 64, 16),
    "bert-base-16x128": Shape(768, 12, 16, 128),
    "minilm-8x32x4": Shape(384, 6, 8, 32, accumulation=4),
}

GPU_SHAPE = "bert-base-16x384-gpu"
GPU_SHAPES: Mapping[str, Shape] = {GPU_SHAPE: Shape(768, 12, 16, 384, gpu=True)}
ALL_SHAPES: Mapping[str, Shape] = {**SHAPES, **GPU_SHAPES}

METHODS: Mapping[str, Method[Any]] = {
    "fisher": Fisher(keep=KEEP),
    "magnitude": Magnitude(keep=KEEP),
    "magnitude-kind": Magnitude(keep=KEEP, scope="kind"),
    "magnitude-global": Magnitude(keep=KEEP, scope="global"),
    "movement": Movement(keep=KEEP),
    "movement-kind": Movement(keep=KEEP, scope="kind"),
    "movement-global": Movement(keep=KEEP, scope="global"),
    "soft_movement": SoftMovement(keep=KEEP, scope="local"),
    "soft_movement-kind": SoftMovement(keep=KEEP, scope="kind"),
    "soft_movement-global": SoftMovement(keep=KEEP),
    "soft_movement-lambda": SoftMovement(final_lambda=400),
    "l0": L0(keep=KEEP),
}


class Turns:
    """Lets the runs of a shape make a step each, one after the other, and keeps their times.

    Args:
        runs: how many there are.
        steps: how many steps of each are timed.
    """

    def __init__(self, runs: int, steps: int) -> None:
        self.seconds: list[list[float]] = [[] for _ in range(runs)]
        self._steps = steps
        self._waiting = list(range(runs))
        """The runs that go on, whose turn it is first."""
        self._moved = Condition()

    def take(self, run: int) -> None:
        """Waits until it is this run's turn."""
        with self._moved:
            self._moved.wait_for(lambda: self._waiting[0] == run)

    def pass_on(self) -> None:
        """Makes it the next run's turn."""
        with self._moved:
            self._waiting.append(self._waiting.pop(0))
            self._moved.notify_all()

    def leave(self) -> None:
        """Ends the run whose turn it is."""
        with self._moved:
            self._waiting.pop(0)
            self._moved.notify_all()

    def is_over(self, run: int) -> bool:
        """Whether all steps of a run are timed."""
        return len(self.seconds[run]) == WARM_UP + self._steps


class Clock(TrainerCallback):
    """Times the steps of one run, from the beginning of one to that of the next."""

    def __init__(self, turns: Turns, run: int) -> None:
        self._turns = turns
        self._run = run
        self._started: float | None = None

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Ends a step, lets the others make theirs, and begins the next."""
        finish_on_gpu()
        if self._started is not None:
            self._turns.seconds[self._run].append(time.perf_counter() - self._started)
            self._turns.pass_on()
            self._turns.take(self._run)
        control.should_training_stop = self._turns.is_over(self._run)
        self._started = time.perf_counter()


def finish_on_gpu() -> None:
    """Waits for what a GPU still computes."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def timed(makers: Sequence[Maker], shape: Shape, steps: int) -> list[list[float]]:
    """Seconds of the consecutive steps of each of several new runs, which take turns."""
    turns = Turns(len(makers), steps)

    def train(run: int) -> None:
        turns.take(run)
        with TemporaryDirectory() as folder:
            trainer = makers[run](arguments(shape, steps, folder))
            trainer.remove_callback(PrinterCallback)
            trainer.add_callback(Clock(turns, run))
            try:
                trainer.train()
            finally:
                turns.leave()

    with ThreadPoolExecutor(len(makers)) as threads:
        list(threads.map(train, range(len(makers))))
    return [seconds[WARM_UP:] for seconds in turns.seconds]


def arguments(shape: Shape, steps: int, folder: str) -> TrainingArguments:
    """What all runs train by."""
    return TrainingArguments(
        output_dir=folder,
        # So long a run that masks are made anew twice in the steps that are timed: a method that
        # does so at intervals does it 40 times a run.
        max_steps=20 * steps + 2 * WARM_UP,
        per_device_train_batch_size=shape.batch,
        gradient_accumulation_steps=shape.accumulation,
        learning_rate=1e-4,
        logging_strategy="no",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=not shape.gpu,
        bf16=shape.gpu,
        dataloader_pin_memory=False,
    )


def dense(model: PreTrainedModel, data: Dataset) -> Maker:
    """Makes the trainer of a plain run."""

    def make(arguments: TrainingArguments) -> Trainer:
        return Trainer(
            copy.deepcopy(model), arguments, train_dataset=data, data_collator=default_data_collator
        )

    return make


def pruned(
    model: PreTrainedModel, data: Dataset, method: Method[Any], teacher: PreTrainedModel | None
) -> Maker:
    """Makes the trainer of a pruned run."""

    def make(arguments: TrainingArguments) -> Trainer:
        student = copy.deepcopy(model)
        attach(student, method)
        return FinePruningTrainer(
            model=student,
            args=arguments,
            train_dataset=data,
            data_collator=default_data_collator,
            schedule=PruningSchedule(warmup_steps=WARM_UP, initial_warmup=1, final_warmup=1),
            teacher=teacher,
        )

    return make


def ratios(
    runs: Mapping[str, Maker], shape: Shape, *, rounds: int, steps: int
) -> dict[str, dict[str, float]]:
    """Of each run: milliseconds a step, and the ratio to the first run, medians over rounds."""
    found = timed(list(runs.values()), shape, rounds * steps)
    means = [
        [statistics.mean(seconds[i * steps : (i + 1) * steps]) for i in range(rounds)]
        for seconds in found
    ]
    return {
        name: {
            "milliseconds": 1e3 * statistics.median(own),
            "ratio": statistics.median(a / b for a, b in zip(own, means[0], strict=True)),
        }
        for name, own in zip(runs, means, strict=True)
    }


Rounds = Annotated[int, typer.Option(help="Rounds of steps.", min=1)]
Steps = Annotated[int, typer.Option(help="Consecutive steps of a round.", min=2)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


@app.command()
def steps(
    shapes: Annotated[str, typer.Option(help="Several with commas.")] = ",".join(SHAPES),
    methods: Annotated[str, typer.Option(help="Several with commas.")] = ",".join(METHODS),
    rounds: Rounds = 5,
    steps: Steps = 50,
    as_json: Json = False,
) -> None:
    """A pruned step beside that of plain `transformers.Trainer`, without a teacher in either."""
    found = {}
    for name in shapes.split(","):
        shape = ALL_SHAPES[name]
        model, data = shape.model(), shape.examples(rounds * steps + WARM_UP)
        runs = {"dense": dense(model, data)}
        runs |= {one: pruned(model, data, METHODS[one], None) for one in methods.split(",")}
        found[name] = ratios(runs, shape, rounds=rounds, steps=steps)
        if not as_json:
            show(name, found[name])
    report(found, rounds, steps, as_json=as_json)


@app.command()
def teacher(rounds: Rounds = 5, steps: Steps = 50, as_json: Json = False) -> None:
    """A distilled step beside the same one without a teacher, once its logits are known."""
    name = "minilm-64x16"
    shape = SHAPES[name]
    model, data = shape.model(), shape.examples(rounds * steps + WARM_UP)
    method = METHODS["fisher"]
    runs = {
        "without a teacher": pruned(model, data, method, None),
        "distilled": pruned(model, data, method, copy.deepcopy(model)),
    }
    found = {name: ratios(runs, shape, rounds=rounds, steps=steps)}
    if not as_json:
        show(name, found[name])
    report(found, rounds, steps, as_json=as_json)


@app.command()
def memory(
    methods: Annotated[str, typer.Option(help="Several with commas.")] = ",".join(METHODS),
    steps: Steps = 5,
    as_json: Json = False,
) -> None:
    """The most memory of a GPU that a pruned run takes, beside plain fine-tuning."""
    shape = GPU_SHAPES[GPU_SHAPE]
    model, data = shape.model(), shape.examples(steps + WARM_UP)
    runs = {"dense": dense(model, data)}
    runs |= {one: pruned(model, data, METHODS[one], None) for one in methods.split(",")}
    found = {name: peak(make, shape, steps) for name, make in runs.items()}
    for name, size in found.items():
        if not as_json:
            print(f"{name:24} {size / 2**20:8.0f} MiB  {size / found['dense']:.3f}")
    if as_json:
        print(json.dumps({"gpu": torch.cuda.get_device_name(), "bytes": found}))


def peak(make: Maker, shape: Shape, steps: int) -> int:
    """Bytes of a GPU's memory that a new run takes at most."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    timed([make], shape, steps)
    return torch.cuda.max_memory_allocated()


def show(name: str, found: Mapping[str, Mapping[str, float]]) -> None:
    """Prints a table of one shape."""
    table = Table("run", "ms a step", "ratio", title=name)
    for run, figures in found.items():
        table.add_row(run, f"{figures['milliseconds']:.1f}", f"{figures['ratio']:.3f}")
    Console().print(table)


def report(found: Mapping[str, Any], rounds: int, steps: int, *, as_json: bool) -> None:
    """Prints all figures and what they were taken on, as JSON."""
    if as_json:
        conditions = {"rounds": rounds, "steps": steps, "threads": torch.get_num_threads()}
        print(json.dumps({**conditions, "cpu": cpu_name(), "shapes": found}))


if __name__ == "__main__":
    app()
