"""`torch.compile` meets no graph break in masks, and what is compiled learns the same."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from fineprune import Pruner, parameter_groups
from tests.training.loop import BEGIN, END, METHODS, SCHEDULE, STEPS, dataset, masked, plain

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


def breaks(model: nn.Module) -> int:
    explained = torch._dynamo.explain(model.train())(**ROWS)
    return int(explained.graph_break_count)


@pytest.mark.parametrize("name", METHODS)
def test_masks_break_no_graph(name: str) -> None:
    alone = breaks(plain())
    torch._dynamo.reset()
    assert breaks(masked(METHODS[name])) == alone


@pytest.mark.parametrize("name", METHODS)
def test_a_compiled_model_learns_what_it_learns_otherwise(name: str) -> None:
    assert BEGIN < END < STEPS
    eager = masked(METHODS[name]).train()
    expected = losses(eager, eager)
    model = masked(METHODS[name]).train()
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    assert losses(model, compiled) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", METHODS)
def test_masks_that_move_are_not_compiled_anew_at_each_step(name: str) -> None:
    compilations = 0

    def backend(graph: torch.fx.GraphModule, inputs: Any) -> Any:
        nonlocal compilations
        compilations += 1
        return graph.forward

    model = masked(METHODS[name]).train()
    losses(model, torch.compile(model, backend=backend))
    assert compilations <= 3
