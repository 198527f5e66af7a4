import math

import pytest
import torch
from torch import nn

from fineprune.errors import TrainingError
from fineprune.training.divergence import (
    require_finite_gradient,
    require_finite_loss,
    require_finite_weights,
)


def test_finite_numbers_pass() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model(torch.ones(1, 2)).sum().backward()
    model[1].weight.grad = None  # of a parameter that is not trained
    require_finite_loss(torch.tensor(1e30), {}, step=1)
    require_finite_gradient(model, step=1)
    require_finite_weights(model, step=1)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_loss_names_its_parts(value: float) -> None:
    parts = {"task_loss": torch.tensor(0.5), "penalty": torch.tensor(value, requires_grad=True)}
    with pytest.raises(TrainingError) as caught:
        require_finite_loss(torch.tensor(value), parts, step=7)
    message = str(caught.value)
    assert message.startswith(f"step 7: the loss is not finite (task_loss 0.5, penalty {value:g})")
    assert "\n" not in message


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_gradient_names_the_parameter_it_broke_in(value: float) -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    model.get_parameter("1.weight").grad = torch.tensor([[1.0, 1.0], [value, 1.0]])
    with pytest.raises(TrainingError, match=r"step 3: the gradient .*\(first in 1\.weight\)"):
        require_finite_gradient(model, step=3)


def test_gradients_that_are_finite_but_have_no_finite_norm() -> None:
    model = nn.Linear(4, 4)
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 1e30)
    with pytest.raises(TrainingError, match="first in its norm over all parameters"):
        require_finite_gradient(model, step=3)


def test_weights_name_the_parameter() -> None:
    model = nn.Linear(2, 2)
    with torch.no_grad():
        model.bias[0] = math.inf
    with pytest.raises(TrainingError, match=r"step 2: the weights are not finite \(first bias\)"):
        require_finite_weights(model, step=2)
