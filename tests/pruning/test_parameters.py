import re
from typing import Any

import pytest
import torch
from torch import nn

from fineprune.errors import TrainingError
from fineprune.pruning import (
    Magnitude,
    Method,
    Movement,
    Pruner,
    PruningSchedule,
    SoftMovement,
    attach,
    parameter_groups,
)
from fineprune.pruning.parameters import SCORE_LEARNING_RATE
from tests.models import BERT

SCHEDULE = PruningSchedule(warmup_steps=1)


def ids(parameters: Any) -> set[int]:
    return {id(one) for one in parameters}


def test_a_model_without_masks_has_two_groups_of_weights() -> None:
    model = BERT.build()
    matrices, others = parameter_groups(model, learning_rate=3e-5, weight_decay=0.01)
    assert (matrices["lr"], matrices["weight_decay"]) == (3e-5, 0.01)
    assert (others["lr"], others["weight_decay"]) == (3e-5, 0.0)
    assert ids(matrices["params"]) == ids(p for p in model.parameters() if p.ndim == 2)
    assert ids(others["params"]) == ids(p for p in model.parameters() if p.ndim == 1)


def test_scores_are_a_group_without_decay(method: Method[Any]) -> None:
    model = BERT.build()
    masks = attach(model, method)
    groups = parameter_groups(model, learning_rate=3e-5, score_learning_rate=0.5, weight_decay=0.01)
    if not method.learns_scores:
        assert len(groups) == 2
    else:
        scores = groups.pop()
        assert (scores["lr"], scores["weight_decay"]) == (0.5, 0.0)
        assert ids(scores["params"]) == ids(masks.scores())
    everything = [id(p) for group in groups for p in group["params"]]
    assert len(everything) == len(set(everything))
    assert set(everything) == ids(model.parameters()) - ids(masks.scores())
    assert ids(one.weight for one in masks) <= ids(groups[0]["params"])


def test_scores_train_faster_than_weights_by_default() -> None:
    model = BERT.build()
    attach(model, Movement())
    assert parameter_groups(model, learning_rate=1e-5)[-1]["lr"] == SCORE_LEARNING_RATE == 1e-2


def test_frozen_weights_are_left_out() -> None:
    model = BERT.build()
    attach(model, Movement())
    model.get_submodule("bert.embeddings").requires_grad_(False)
    groups = parameter_groups(model, learning_rate=1e-5)
    trained = ids(p for group in groups for p in group["params"])
    assert trained == ids(p for p in model.parameters() if p.requires_grad)


def test_groups_before_and_after_the_freeze_take_the_same_state() -> None:
    model = BERT.build()
    masks = attach(model, Movement())
    before = torch.optim.AdamW(parameter_groups(model, learning_rate=1e-5))
    masks.freeze()
    after = torch.optim.AdamW(parameter_groups(model, learning_rate=1e-5))
    assert [len(group["params"]) for group in after.param_groups[:2]] == [
        len(group["params"]) for group in before.param_groups[:2]
    ]
    assert after.param_groups[2]["params"] == []


def pruner(model: nn.Module, optimizer: torch.optim.Optimizer) -> Pruner:
    return Pruner(model, optimizer, total_steps=20, schedule=SCHEDULE)


def refusal(model: nn.Module, optimizer: torch.optim.Optimizer) -> str:
    with pytest.raises(TrainingError) as caught:
        pruner(model, optimizer)
    message = str(caught.value)
    assert "\n" not in message
    assert "torch.optim.AdamW(fineprune.parameter_groups(model, learning_rate=...))" in message
    return message


def test_scores_among_the_weights_are_refused() -> None:
    model = BERT.build()
    attach(model, Movement())
    message = refusal(model, torch.optim.AdamW(model.parameters(), weight_decay=0.0))
    assert message.startswith("the optimizer trains scores and weights in one group")


def test_scores_that_decay_are_refused() -> None:
    model = BERT.build()
    masks = attach(model, Movement())
    weights, scores = masks_apart(model, masks.scores())
    optimizer = torch.optim.AdamW([{"params": weights}, {"params": scores}])  # decays by 0.01
    assert refusal(model, optimizer).startswith("the optimizer lets scores decay by 0.01;")


def masks_apart(
    model: nn.Module, scores: list[nn.Parameter]
) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    return [p for p in model.parameters() if id(p) not in ids(scores)], scores


def test_an_optimizer_from_before_attach_is_refused() -> None:
    model = BERT.build()
    optimizer = torch.optim.AdamW(parameter_groups(model, learning_rate=1e-5))
    attach(model, SoftMovement(keep=0.1))
    message = refusal(model, optimizer)
    assert re.search("before the masks were attached, and trains 0 of 12 matrices", message)


def test_an_optimizer_that_leaves_some_scores_out_is_refused() -> None:
    model = BERT.build()
    attach(model, Movement())
    groups = parameter_groups(model, learning_rate=1e-5)
    groups[-1]["params"].pop()
    assert "trains 11 of 12 matrices" in refusal(model, torch.optim.AdamW(groups))


def test_scores_may_be_in_several_groups_of_their_own() -> None:
    model = BERT.build()
    masks = attach(model, Movement())
    weights, scores = masks_apart(model, masks.scores())
    groups: list[dict[str, Any]] = [{"params": weights}]
    groups += [{"params": [one], "weight_decay": 0} for one in scores]
    pruner(model, torch.optim.AdamW(groups))


def test_without_scores_any_optimizer_will_do() -> None:
    model = BERT.build()
    optimizer = torch.optim.AdamW(model.parameters())
    attach(model, Magnitude())
    pruner(model, optimizer)
