"""Models that were pruned before: their zeros stay, whatever they are trained for next."""

import pytest
import torch
from transformers import PreTrainedModel

from fineprune.errors import TargetError
from fineprune.pruning import Fisher, Locked, Pruner, attach, count, finalize, parameter_groups
from fineprune.pruning.masks import Masks
from tests.pruning.bare_loop import SCHEDULE, STEPS, loss_of, model_without_dropout


def pruned() -> PreTrainedModel:
    model = model_without_dropout()
    generator = torch.Generator().manual_seed(0)
    for one in attach(model, Fisher(keep=0.3)):
        one.mask.kept.copy_(torch.rand(one.weight.shape, generator=generator) < 0.3)
        one.mask.after_loading()
    return finalize(model)


def test_zeros_stay_and_the_rest_is_trained() -> None:
    model = pruned()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    density = count(model).density
    masks = attach(model, Locked())
    optimizer = torch.optim.AdamW(parameter_groups(model, learning_rate=1e-2), weight_decay=0.1)
    pruner = Pruner(model, optimizer, total_steps=STEPS, schedule=SCHEDULE)
    for step in range(STEPS):
        (loss_of(model, step) + pruner.penalty()).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        pruner.step()
        optimizer.zero_grad()
        for one in masks:
            assert torch.equal(one.weight == 0, before[one.name] == 0)
    assert masks.density() == pytest.approx(density)
    assert masks.scores() == []
    names = [one.name for one in masks]
    after = finalize(model).state_dict()
    for name in names:
        zeros = before[name] == 0
        assert torch.equal(after[name] == 0, zeros)
        assert (after[name] != before[name])[~zeros].float().mean() > 0.9
    assert count(model).density == density


def test_a_model_without_zeros_is_refused_and_left_alone() -> None:
    model = model_without_dropout()
    with pytest.raises(TargetError, match="locked keeps the zeros of a model that was pruned"):
        attach(model, Locked())
    with pytest.raises(TargetError, match="no masks"):
        Masks.of(model)
