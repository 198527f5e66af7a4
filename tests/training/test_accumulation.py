"""Task, teacher and penalty weigh the same however a step's examples are split into batches."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, log_softmax
from transformers import BertForSequenceClassification, PreTrainedModel, Trainer
from transformers.modeling_outputs import SequenceClassifierOutput

from fineprune.pruning import L0, Masks, Method, PruningSchedule, SoftMovement, attach
from fineprune.training import Distillation, FinePruningMixin
from tests.training.loop import Recorder, dataset, masked, other, trainer_of, uneven
from tests.workspace import Kind, bert_config

SOFT = SoftMovement(final_lambda=20.0, initial_score=0.4)
CLASS_WEIGHTS = torch.tensor([0.2, 1.0, 3.0])
SPLITS = ((8, 1), (4, 2), (2, 4))
"""Examples of a batch, and how many batches make a step of 8 examples."""


def weighted(
    outputs: Mapping[str, Tensor], labels: Tensor, num_items_in_batch: Tensor | int | None = None
) -> Tensor:
    """Class weights, as a user writes them: the sum, over how many items the whole step has."""
    losses = cross_entropy(outputs["logits"], labels, CLASS_WEIGHTS, reduction="none")
    return losses.sum() / (len(labels) if num_items_in_batch is None else num_items_in_batch)


def weighted_mean(
    outputs: Mapping[str, Tensor], labels: Tensor, num_items_in_batch: Tensor | int | None = None
) -> Tensor:
    """The mean over one batch; the trainer is told that it is no more than that."""
    return cross_entropy(outputs["logits"], labels, CLASS_WEIGHTS, reduction="none").mean()


class Counting(BertForSequenceClassification):  # type: ignore[no-untyped-call]
    """A model that takes the number of items in all batches of a step, as decoders do."""

    accepts_loss_kwargs = True

    def forward(
        self,
        input_ids: Tensor,
        labels: Tensor | None = None,
        num_items_in_batch: Tensor | int | None = None,
        **kwargs: Any,
    ) -> SequenceClassifierOutput:
        outputs: SequenceClassifierOutput = super().forward(input_ids, **kwargs)
        if labels is not None and outputs.logits is not None:
            total = cross_entropy(outputs.logits, labels, reduction="sum")
            outputs["loss"] = total / (num_items_in_batch or len(labels))
        return outputs


def counting(method: Method[Any]) -> PreTrainedModel:
    torch.manual_seed(0)
    model = Counting(bert_config(num_labels=3, id2label={0: "first", 1: "second", 2: "third"}))
    attach(model, method)
    return model


def smoothed(logits: Tensor, labels: Tensor) -> Tensor:
    """Label smoothing by 0.1, as `transformers` defines it."""
    logs = log_softmax(logits, dim=-1)
    nll = -logs.gather(1, labels[:, None]).mean()
    return 0.9 * nll - 0.1 * logs.mean()


class MeanOfABatch(FinePruningMixin, Trainer):
    loss_is_scaled_for_ga = False


def steps(
    folder: Path, split: tuple[int, int], kind: Kind | str = "classification", **options: Any
) -> tuple[list[dict[str, Tensor]], list[float]]:
    """The gradient of each step, and the loss that is logged for it."""
    size, accumulation = split
    trainer = trainer_of(
        folder,
        SOFT,
        kind,
        **{
            "teacher": other(kind),
            "distillation": Distillation(),
            **options,
            "changes": {
                "per_device_train_batch_size": size,
                "gradient_accumulation_steps": accumulation,
                "optim": "sgd",
                "max_grad_norm": 0.0,
                **options.pop("changes", {}),
            },
        },
    )
    record = Recorder(trainer)
    trainer.train()
    return record.gradients, [logs["loss"] for logs in record.logs if "loss" in logs]


def hidden_states() -> dict[str, Any]:
    rows, collator = uneven("classification")
    return {
        "train_dataset": rows,
        "data_collator": collator,
        "distillation": Distillation(alpha_hidden=1.0),
        "changes": {"remove_unused_columns": False},
    }


CASES: dict[str, tuple[Kind | str, Callable[[], dict[str, Any]]]] = {
    "classes": ("classification", dict),
    "questions": ("question-answering", dict),
    "tokens": ("tokens", dict),
    "hidden states of texts of any length": ("classification", hidden_states),
    "class weights": ("classification", lambda: {"compute_loss_func": weighted}),
    "a model that counts items": ("classification", lambda: {"model": counting(SOFT)}),
    "label smoothing": (
        "classification",
        lambda: {"changes": {"label_smoothing_factor": 0.1}},
    ),
    "gates": ("classification", lambda: {"model": masked(L0(final_lambda=20.0))}),
    # Scores stay where they are, so that the penalty's weight has to rise at every step.
    "a penalty that is steered": (
        "classification",
        lambda: {
            "model": masked(L0(keep=0.2)),
            "score_learning_rate": 0.0,
            "changes": {"learning_rate": 0.0},
            "schedule": PruningSchedule(warmup_steps=2, initial_warmup=4, final_warmup=0),
        },
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_accumulated_batches_give_the_gradient_of_the_big_one(name: str, tmp_path: Path) -> None:
    kind, options = CASES[name]
    (gradients, losses), *others = [
        steps(tmp_path / str(split[1]), split, kind, **options()) for split in SPLITS
    ]
    for found, logged in others:
        for big, accumulated in zip(gradients, found, strict=True):
            torch.testing.assert_close(accumulated, big, rtol=1e-4, atol=1e-6)
        # What a loss function of a user's own gives is logged as the trainer adds it up.
        assert logged == pytest.approx(losses, rel=1e-4)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize(
    ("task", "options"),
    [
        (lambda logits, labels: cross_entropy(logits, labels), {}),
        (
            lambda logits, labels: weighted({"logits": logits}, labels),
            {"compute_loss_func": weighted},
        ),
        (smoothed, {"changes": {"label_smoothing_factor": 0.1}}),
    ],
    ids=["plain", "class weights", "label smoothing"],
)
def test_gradient_is_that_of_the_formula(
    task: Callable[[Tensor, Tensor], Tensor],
    options: dict[str, Any],
    split: tuple[int, int],
    tmp_path: Path,
) -> None:
    # Penalty from the first step on, so that the first step shows it.
    lambda_l0 = 20.0
    method = L0(final_lambda=lambda_l0, initial_score=0.4)
    trainer = trainer_of(
        tmp_path,
        method,
        teacher=other(),
        distillation=Distillation(temperature=2.0, alpha_ce=0.3, alpha_kd=0.7),
        **{
            **options,
            "changes": {
                "per_device_train_batch_size": split[0],
                "gradient_accumulation_steps": split[1],
                "train_sampling_strategy": "sequential",
                "optim": "sgd",
                "max_grad_norm": 0.0,
                "max_steps": 12,
                **options.get("changes", {}),
            },
        },
    )
    record = Recorder(trainer)
    trainer.train()

    model = masked(method).train()
    masks = Masks.of(model)
    torch.manual_seed(trainer.args.seed)  # what gates are drawn from, beside the step
    masks.update(method.initial_level)
    masks.draw(0)
    rows = dataset()[:8]
    inputs, labels = torch.tensor(rows["input_ids"]), torch.tensor(rows["labels"])
    logits = model(input_ids=inputs).logits
    with torch.no_grad():
        taught = other().train(False)(input_ids=inputs).logits
    p, log_q = (taught / 2).softmax(-1), (logits / 2).log_softmax(-1)
    divergence = 4 * (p * (p.log() - log_q)).sum(-1).mean()
    shift = 2 / 3 * math.log(0.1 / 1.1)
    penalty = torch.stack([torch.sigmoid(one - shift).mean() for one in masks.scores()]).mean()
    (0.3 * task(logits, labels) + 0.7 * divergence + lambda_l0 * penalty).backward()
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(
                record.gradients[0][name], parameter.grad, rtol=1e-3, atol=1e-6
            )


def test_a_trainer_that_says_its_loss_is_a_mean_is_believed(tmp_path: Path) -> None:
    found = []
    for size, accumulation in SPLITS:
        trainer = MeanOfABatch(
            model=masked(SOFT),
            args=trainer_of(
                tmp_path / str(size),
                None,
                changes={
                    "per_device_train_batch_size": size,
                    "gradient_accumulation_steps": accumulation,
                    "optim": "sgd",
                    "max_grad_norm": 0.0,
                },
            ).args,
            train_dataset=dataset(),
            teacher=other(),
            compute_loss_func=weighted_mean,
        )
        record = Recorder(trainer)
        trainer.train()
        found.append(record.gradients)
    for accumulated in found[1:]:
        torch.testing.assert_close(accumulated, found[0], rtol=1e-4, atol=1e-6)


def test_every_score_is_paid_for_once_a_step(tmp_path: Path) -> None:
    # The first matrix's scores, by hand: lambda * sigmoid' / (its weights * matrices).
    gradients, _ = steps(tmp_path, (2, 4), teacher=None, model=masked(L0(final_lambda=1e4)))
    scores = [one for name, one in gradients[0].items() if name.endswith("scores")]
    is_open = 1 / (1 + math.exp(2 / 3 * math.log(0.1 / 1.1) - 2.197))
    for score in scores:
        expected = 1e4 * is_open * (1 - is_open) / score.numel() / len(scores)
        assert score.mean().item() == pytest.approx(expected, rel=2e-2)
