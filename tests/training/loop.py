"""A trainer of a tiny model, at sizes that run in milliseconds, and what is seen of its steps."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
from torch import Tensor, nn
from transformers import (
    BertForTokenClassification,
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    PreTrainedModel,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from fineprune.pruning import L0, Fisher, Magnitude, Method, Movement, PruningSchedule, SoftMovement
from fineprune.pruning import attach as attach_method
from fineprune.training import FinePruningTrainer
from tests.workspace import LABELS, WORDS, Kind, bert_config, make_model, make_tokenizer

EXAMPLES, LENGTH, STEPS = 24, 6, 12
SCHEDULE = PruningSchedule(warmup_steps=2, initial_warmup=1, final_warmup=2)
BEGIN, END = 2, 8

METHODS: dict[str, Method[Any]] = {
    "magnitude": Magnitude(keep=0.2),
    "global magnitude": Magnitude(keep=0.2, scope="global"),
    "movement": Movement(keep=0.2),
    "soft movement": SoftMovement(final_lambda=30.0, cut=0.3),
    "soft movement to a density": SoftMovement(keep=0.2),
    "fisher": Fisher(keep=0.2),
    "l0": L0(final_lambda=30.0),
    "l0 to a density": L0(keep=0.2),
}
"""Every way in which masks are made and penalties are set."""


def dataset(kind: Kind | str = "classification", seed: int = 0) -> datasets.Dataset:
    """Inputs of one length, so that batches of any size are made of the same rows."""
    draw = np.random.default_rng(seed)
    rows = {"input_ids": draw.integers(4, len(WORDS), (EXAMPLES, LENGTH)).tolist()}
    if kind == "question-answering":
        rows["start_positions"] = draw.integers(0, LENGTH, EXAMPLES).tolist()
        rows["end_positions"] = draw.integers(0, LENGTH, EXAMPLES).tolist()
    elif kind == "regression":
        rows["labels"] = draw.random(EXAMPLES).tolist()
    elif kind == "tokens":
        rows["labels"] = draw.integers(0, 3, (EXAMPLES, LENGTH)).tolist()
    else:
        rows["labels"] = draw.integers(0, 3, EXAMPLES).tolist()
    return datasets.Dataset.from_dict(rows)


def plain(kind: Kind | str = "classification", dropout: float = 0.0) -> PreTrainedModel:
    """A model without masks; the same one each time."""
    torch.manual_seed(0)
    if kind == "tokens":
        names = dict(enumerate(LABELS))
        return BertForTokenClassification(bert_config(dropout, id2label=names))
    return make_model(kind, dropout)  # type: ignore[arg-type]


def masked(
    method: Method[Any] | None, kind: Kind | str = "classification", dropout: float = 0.0
) -> PreTrainedModel:
    """The same, with a method attached."""
    model = plain(kind, dropout)
    if method is not None:
        attach_method(model, method)
    return model


def other(kind: Kind | str = "classification") -> PreTrainedModel:
    """A teacher: the same kind of model with other weights."""
    model = plain(kind)
    torch.manual_seed(1)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model


def arguments(folder: Path, **changes: Any) -> TrainingArguments:
    """Of 12 steps, on the CPU."""
    settings: dict[str, Any] = {
        "max_steps": STEPS,
        "per_device_train_batch_size": 4,
        "learning_rate": 1e-2,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": True,
        "dataloader_pin_memory": False,
    }
    return TrainingArguments(str(folder), **{**settings, **changes})


def trainer_of(
    folder: Path,
    method: Method[Any] | None,
    kind: Kind | str = "classification",
    *,
    changes: Mapping[str, Any] = {},
    **options: Any,
) -> FinePruningTrainer:
    """A trainer over the data set of a kind."""
    return FinePruningTrainer(
        **{
            "model": masked(method, kind),
            "args": arguments(folder, **changes),
            "train_dataset": dataset(kind),
            "schedule": SCHEDULE,
            **options,
        }
    )


def model_of(trainer: Trainer) -> PreTrainedModel:
    """The model that a trainer trains."""
    assert isinstance(trainer.model, PreTrainedModel)
    return trainer.model


def state_of(model: nn.Module) -> dict[str, Tensor]:
    """A copy of all weights, scores and masks."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


class Calls:
    """How often a model is asked, and for how many texts."""

    def __init__(self, model: nn.Module) -> None:
        self.count = self.texts = 0
        model.register_forward_pre_hook(self._count, with_kwargs=True)

    def _count(self, module: nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
        self.count += 1
        self.texts += len(kwargs["input_ids"])


def uneven(kind: str, padding_side: str = "right") -> tuple[datasets.Dataset, Any]:
    """Texts of many lengths, and what pads them."""
    draw = np.random.default_rng(3)
    lengths = draw.integers(2, 12, EXAMPLES)
    rows: dict[str, Any] = {
        "input_ids": [draw.integers(4, len(WORDS), n).tolist() for n in lengths]
    }
    tokenizer = make_tokenizer()
    tokenizer.padding_side = padding_side
    # In full, so that it is the same in every batch: padding on the left moves positions.
    full: dict[str, Any] = {"padding": "max_length", "max_length": 12}
    options = full if padding_side == "left" else {}
    collator: Any = DataCollatorWithPadding(tokenizer, **options)
    if kind == "question-answering":
        rows["start_positions"] = [0] * EXAMPLES
        rows["end_positions"] = [1] * EXAMPLES
    elif kind == "tokens":
        rows["labels"] = [draw.integers(0, 3, n).tolist() for n in lengths]
        collator = DataCollatorForTokenClassification(tokenizer, **options)
    elif kind == "regression":
        rows["labels"] = draw.random(EXAMPLES).tolist()
    else:
        rows["labels"] = draw.integers(0, 3, EXAMPLES).tolist()
    rows["attention_mask"] = [[1] * n for n in lengths]
    return datasets.Dataset.from_dict(rows), collator


class Recorder(TrainerCallback):
    """Writes down what there is before each step, and what is logged."""

    def __init__(self, trainer: Trainer) -> None:
        self.levels: list[float] = []
        self.penalty_weights: list[float] = []
        self.rates: list[list[float]] = []
        self.gradients: list[dict[str, Tensor]] = []
        self.logs: list[dict[str, float]] = []
        self._trainer = trainer
        trainer.add_callback(self)

    def on_step_begin(self, *_: Any, **kwargs: Any) -> None:
        if isinstance(self._trainer, FinePruningTrainer):
            if self._trainer.masks is not None:
                self.levels.append(self._trainer.masks.level.value)
            self.penalty_weights.append(self._trainer.penalty_weight)

    def on_pre_optimizer_step(self, *_: Any, **kwargs: Any) -> None:
        optimizer = self._trainer.optimizer
        assert optimizer is not None
        self.rates.append([group["lr"] for group in optimizer.param_groups])
        model: nn.Module = kwargs["model"]
        self.gradients.append(
            {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
        )

    def on_log(self, *_: Any, **kwargs: Any) -> None:
        self.logs.append(dict(kwargs["logs"]))


def cubic(step: int, initial: float, final: float, begin: int = BEGIN, end: int = END) -> float:
    """The schedule as the paper gives it, in steps instead of warm-ups."""
    if step <= begin:
        return initial
    if step > end:
        return final
    return final + (initial - final) * (1 - (step - begin) / (end - begin)) ** 3
