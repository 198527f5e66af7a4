"""Values that the original code computed: ../shared/fixtures/emmental."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from fineprune.pruning import L0, Masks, Method, SoftMovement, attach
from fineprune.pruning.methods import method_at_threshold

pytestmark = pytest.mark.shared

LAYERS = [f"case{number}" for number in range(7)]


@pytest.fixture
def golden(shared: Path) -> Path:
    return shared / "fixtures" / "emmental"


def layer_case(golden: Path, name: str) -> tuple[Method[Any], dict[str, Tensor]]:
    cases = json.loads((golden / "layers.json").read_text(encoding="utf-8"))["cases"]
    [case] = [case for case in cases if case["name"] == name]
    tensors = load_file(golden / "layers.safetensors")
    own = {key.partition(".")[2]: one for key, one in tensors.items() if key.startswith(name)}
    return method_at_threshold(case["method"], case["threshold"]), own


def masked_layer(method: Method[Any], tensors: Mapping[str, Tensor]) -> tuple[nn.Module, Masks]:
    outputs, inputs = tensors["weight"].shape
    model = nn.Sequential(nn.Linear(inputs, outputs))
    model.load_state_dict({"0.weight": tensors["weight"], "0.bias": tensors["bias"]})
    masks = attach(model, method, include=["0"])
    for scores in masks.scores():
        scores.data = tensors["scores"].clone()
    masks.set_level(method.final_level)
    return model.eval(), masks


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name: str, golden: Path) -> None:
    method, tensors = layer_case(golden, name)
    model, masks = masked_layer(method, tensors)
    [one] = masks
    if isinstance(method, L0):
        torch.testing.assert_close(one.multiplier(), tensors["mask"])
    else:
        assert torch.equal(one.multiplier().float(), tensors["mask"])

    x = tensors["x"].clone().requires_grad_()
    y = model(x)
    y.backward(tensors["grad_out"])
    torch.testing.assert_close(y, tensors["y"])
    torch.testing.assert_close(x.grad, tensors["grad_x"])
    torch.testing.assert_close(one.weight.grad, tensors["grad_weight"])
    if one.mask.scores is not None:
        torch.testing.assert_close(one.mask.scores.grad, tensors["grad_scores"])


def test_no_layer_is_left_out(golden: Path) -> None:
    cases = json.loads((golden / "layers.json").read_text(encoding="utf-8"))["cases"]
    assert [case["name"] for case in cases] == LAYERS


def scheduled_method(case: Mapping[str, Any]) -> Method[Any]:
    if case["method"] == "soft_movement":
        return SoftMovement(final_lambda=case["final_lambda"], cut=case["final_threshold"])
    if case["method"] == "l0":
        return L0(final_lambda=case["final_lambda"])
    return method_at_threshold(case["method"], case["final_threshold"])


def test_schedules(golden: Path) -> None:
    for case in json.loads((golden / "schedules.json").read_text(encoding="utf-8")):
        method = scheduled_method(case)
        moving = {
            "begin": case["initial_warmup"] * case["warmup_steps"],
            "end": case["total_steps"] - case["final_warmup"] * case["warmup_steps"],
        }
        level, penalty = method.level_schedule(**moving), method.penalty_schedule(**moving)
        steps, thresholds = case["steps"], [threshold for threshold, _ in case["values"]]
        assert [penalty(step) for step in steps] == [one for _, one in case["values"]]
        if isinstance(method, L0):
            # A threshold that the original's gates never read.
            assert set(thresholds) == {1.0}
            assert {level(step) for step in steps} == {0.0}
        else:
            assert [level(step) for step in steps] == thresholds
