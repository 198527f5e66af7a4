"""What a pruned training step costs beside a dense one, and a distilled one beside a plain one.

    python benchmarks/training.py steps [--shapes minilm-32x64,...] [--methods fisher,...] [--json]
    python benchmarks/training.py teacher [--json]

Random weights in the shape of the models, float32, embeddings frozen in all runs. The dense step
is that of plain `transformers.Trainer`. All runs of a shape take turns; a figure is the median
over the rounds of the mean over consecutive steps, of which at least two make new masks, divided
by that of the dense run in the same round. Run it on an idle machine.
"""

import copy
import json
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
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

app = typer.Typer(add_completion=False)

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


class Clock(TrainerCallback):
    """Times consecutive steps, then stops the run."""

    def __init__(self, steps: int) -> None:
        self.seconds = float("nan")
        self._steps = steps
        self._started = 0.0

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Starts the clock once the run is warm."""
        if state.global_step == WARM_UP:
            self._started = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Stops clock and run."""
        if state.global_step == WARM_UP + self._steps:
            self.seconds = (time.perf_counter() - self._started) / self._steps
            control.should_training_stop = True


def timed(make: Callable[[TrainingArguments], Trainer], shape: Shape, steps: int) -> float:
    """Mean seconds of consecutive steps of a new run."""
    # So long a run that masks are made anew twice in the steps that are timed: a method that does
    # so at intervals does it 40 times a run.
    length = 20 * steps + 2 * WARM_UP
    clock = Clock(steps)
    with TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            max_steps=length,
            per_device_train_batch_size=shape.batch,
            gradient_accumulation_steps=shape.accumulation,
            learning_rate=1e-4,
            logging_strategy="no",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
            dataloader_pin_memory=False,
        )
        trainer = make(arguments)
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(clock)
        trainer.train()
    return clock.seconds


def dense(model: PreTrainedModel, data: Dataset) -> Callable[[TrainingArguments], Trainer]:
    """Makes the trainer of a plain run."""

    def make(arguments: TrainingArguments) -> Trainer:
        return Trainer(
            copy.deepcopy(model), arguments, train_dataset=data, data_collator=default_data_collator
        )

    return make


def pruned(
    model: PreTrainedModel, data: Dataset, method: Method[Any], teacher: PreTrainedModel | None
) -> Callable[[TrainingArguments], Trainer]:
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
    runs: Mapping[str, Callable[[TrainingArguments], Trainer]],
    shape: Shape,
    *,
    rounds: int,
    steps: int,
) -> dict[str, dict[str, float]]:
    """Of each run: milliseconds a step, and the ratio to the first run, medians over rounds."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, make in runs.items():
            seconds[name].append(timed(make, shape, steps))
    base = seconds[next(iter(runs))]
    return {
        name: {
            "milliseconds": 1e3 * statistics.median(own),
            "ratio": statistics.median(a / b for a, b in zip(own, base, strict=True)),
        }
        for name, own in seconds.items()
    }


Rounds = Annotated[int, typer.Option(help="Turns of each run.", min=1)]
Steps = Annotated[int, typer.Option(help="Consecutive steps that are timed.", min=2)]
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
        shape = SHAPES[name]
        model, data = shape.model(), shape.examples(steps + WARM_UP)
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
    model, data = shape.model(), shape.examples(steps + WARM_UP)
    method = METHODS["fisher"]
    runs = {
        "without a teacher": pruned(model, data, method, None),
        "distilled": pruned(model, data, method, copy.deepcopy(model)),
    }
    found = {name: ratios(runs, shape, rounds=rounds, steps=steps)}
    if not as_json:
        show(name, found[name])
    report(found, rounds, steps, as_json=as_json)


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


def cpu_name() -> str:
    """The processor as Linux names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown"


if __name__ == "__main__":
    app()
