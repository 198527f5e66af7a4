"""`torch.compile` meets no graph break in masks, and what is compiled learns the same."""

from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import BertForSequenceClassification, PreTrainedModel

from fineprune import Pruner, attach, parameter_groups
from tests.training.loop import BEGIN, END, METHODS, SCHEDULE, STEPS, dataset
from tests.workspace import bert_config

# PyTorch's own tracer makes an instance of every autograd function that it meets.
pytestmark = pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")

ROWS = {name: torch.tensor(values) for name, values in dataset()[:8].items()}


@pytest.fixture(autouse=True)
def _fresh() -> Any:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def losses(model: PreTrainedModel, forward: Any, steps: int = STEPS) -> list[float]:
    """A bare loop, with or without masks."""
    torch.manual_seed(3)
    optimizer = torch.optim.SGD(parameter_groups(model, learning_rate=1e-2))
    pruner = Pruner(model, optimizer, total_steps=STEPS, schedule=SCHEDULE)
    found = []
    for _ in range(steps):
        loss: Tensor = forward(**ROWS).loss + pruner.penalty()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        pruner.step()
        optimizer.zero_grad()
        found.append(loss.item())
    return found


def small(name: str) -> PreTrainedModel:
    """One layer: what compiling takes grows with their number."""
    torch.manual_seed(0)
    model: PreTrainedModel = BertForSequenceClassification(bert_config(num_labels=3))
    encoder = model.get_submodule("bert.encoder")
    encoder.layer = encoder.layer[:1]  # type: ignore[index]
    attach(model, METHODS[name])
    model.train()
    return model


@pytest.mark.parametrize("name", METHODS)
def test_masks_break_no_graph_and_are_compiled_once(name: str) -> None:
    assert BEGIN < END < STEPS, "masks move at some steps, and stay at others"
    eager = small(name)
    expected = losses(eager, eager)
    compilations = 0

    def backend(graph: torch.fx.GraphModule, inputs: Any) -> Any:
        nonlocal compilations
        compilations += 1
        return graph.forward

    model = small(name)
    # With `fullgraph`, whatever breaks a graph is an error.
    found = losses(model, torch.compile(model, backend=backend, fullgraph=True))
    assert found == pytest.approx(expected, rel=1e-4)
    assert compilations <= 2
