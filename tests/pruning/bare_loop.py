"""A training loop of anybody's own: a tiny BERT without dropout, AdamW, and batches by step."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel

from fineprune.pruning import (
    Masks,
    Method,
    Pruner,
    PruningSchedule,
    attach,
    parameter_groups,
)
from tests.models import BERT, VOCABULARY

STEPS = 30
SCHEDULE = PruningSchedule(warmup_steps=0.1, initial_warmup=0.5, final_warmup=4)
BEGIN, END = 2, 18

MakeOptimizer = Callable[[list[dict[str, Any]]], torch.optim.Optimizer]


def adamw(groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    return torch.optim.AdamW(groups)


def sgd(groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    return torch.optim.SGD(groups)


def model_without_dropout(seed: int = 0) -> PreTrainedModel:
    model = BERT.build(seed)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model.train()  # type: ignore[no-any-return]


def batch(step: int) -> tuple[Tensor, Tensor]:
    """Tokens, and whether there are many of the low ones among them."""
    tokens = torch.randint(5, VOCABULARY, (6, 7), generator=torch.Generator().manual_seed(step))
    return tokens, (tokens.float().mean(dim=1) > VOCABULARY / 2).long()


def loss_of(model: nn.Module, step: int) -> Tensor:
    tokens, labels = batch(step)
    return cross_entropy(model(input_ids=tokens).logits, labels)


@dataclass
class Loop:
    """Model, optimizer and pruner, in a run of `STEPS` steps."""

    model: PreTrainedModel
    optimizer: torch.optim.Optimizer
    pruner: Pruner
    done: int = 0
    densities: list[float] = field(default_factory=list)

    @property
    def masks(self) -> Masks:
        return self.pruner.masks

    def steps(self, count: int) -> None:
        for _ in range(count):
            (loss_of(self.model, self.done) + self.pruner.penalty()).backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            self.pruner.step()
            self.optimizer.zero_grad()
            self.done += 1
            self.densities.append(self.masks.density())

    def state(self) -> dict[str, Any]:
        """All that a checkpoint holds, apart from what goes on living."""
        model = {name: one.clone() for name, one in self.model.state_dict().items()}
        return {"model": model, "optimizer": _cloned(self.optimizer.state_dict())}


def _cloned(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {key: _cloned(one) for key, one in value.items()}
    return [_cloned(one) for one in value] if isinstance(value, list) else value


def begun(
    method: Method[Any],
    *,
    make_optimizer: MakeOptimizer = adamw,
    score_learning_rate: float = 0.1,
    schedule: PruningSchedule = SCHEDULE,
    resume: tuple[int, dict[str, Any]] | None = None,
    **options: Any,
) -> Loop:
    """A loop before its first step, or after those that a checkpoint was made at."""
    torch.manual_seed(0)
    model = model_without_dropout(seed=0 if resume is None else 5)
    masks = attach(model, method)
    step, state = resume or (0, None)
    torch.manual_seed(0)  # the run's seed, which gates are drawn from
    if state is not None:
        if method.learns_scores and not any(name.endswith(".scores") for name in state["model"]):
            masks.freeze()
        model.load_state_dict(state["model"])
    groups = parameter_groups(
        model, learning_rate=1e-2, score_learning_rate=score_learning_rate, weight_decay=0.01
    )
    optimizer = make_optimizer(groups)
    if state is not None:
        optimizer.load_state_dict(state["optimizer"])
    pruner = Pruner(model, optimizer, total_steps=STEPS, schedule=schedule, step=step, **options)
    return Loop(model, optimizer, pruner, done=step)


def run(method: Method[Any], **options: Any) -> Loop:
    """A whole run."""
    loop = begun(method, **options)
    loop.steps(STEPS)
    return loop


def kept_of(masks: Iterable[Any]) -> list[int]:
    return [int(one.mask.kept.sum()) for one in masks]
