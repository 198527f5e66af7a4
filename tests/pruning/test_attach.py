import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize
from transformers import PreTrainedModel

from fineprune.errors import TargetError
from fineprune.pruning import (
    L0,
    KeepFraction,
    Magnitude,
    Masks,
    Method,
    Movement,
    attach,
    detach,
)
from fineprune.pruning.masks import has_masks
from fineprune.pruning.methods import method_from_settings
from fineprune.pruning.saving import with_plain_weights
from tests.models import BERT, METHODS, Architecture, in_blocks, logits, mask_at_random


def anatomy(model: nn.Module) -> dict[str, Any]:
    """Everything about a model that attach could leave a trace in, but for values."""
    return {
        "state": list(model.state_dict()),
        "parameters": [(name, id(one)) for name, one in model.named_parameters()],
        "buffers": [(name, id(one)) for name, one in model.named_buffers()],
        "modules": [(name, id(one)) for name, one in model.named_modules()],
        "classes": [type(module) for module in model.modules()],
        "training": [module.training for module in model.modules()],
        "attributes": [set(vars(module)) for module in model.modules()],
        "own parameters": [list(module._parameters) for module in model.modules()],
        "config": model.config.to_dict() if isinstance(model, PreTrainedModel) else None,
        "config attributes": list(vars(model.config)) if isinstance(model, PreTrainedModel) else [],
        "print": str(model),
    }


def values(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def assert_same_values(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name


def sorted_by_name(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return dict(sorted(tensors.items()))


def tensor_names(folder: Path) -> list[str]:
    return list(load_file(folder / "model.safetensors"))


class Scaled(nn.Linear):
    """A linear layer of a class of its own, with its own forward."""

    def forward(self, input: Tensor) -> Tensor:
        return 2 * super().forward(input)


def weight_of(model: nn.Sequential, index: int) -> Tensor:
    """A layer's weight, as the layer computes with it."""
    layer = model[index]
    assert isinstance(layer, nn.Linear)
    return layer.weight


def two_layers(*, bias: bool = True) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3, bias=bias), nn.Linear(3, 2, bias=bias))


@pytest.mark.parametrize("training", [False, True])
def test_detach_is_the_inverse_of_attach(architecture: Architecture, training: bool) -> None:
    model = architecture.build().train(training)
    before, values_before = anatomy(model), values(model)
    mask_at_random(model, Movement(keep=0.3, scope="global"))
    assert detach(model) is model
    assert anatomy(model) == before
    assert_same_values(values(model), values_before)


def test_every_method_comes_off_without_a_trace(method: Method[Any], tmp_path: Path) -> None:
    model = BERT.build()
    model.save_pretrained(tmp_path / "before")  # which writes the architecture into the config
    before, answer = anatomy(model), logits(model)
    mask_at_random(model, method)
    pruned = logits(model)
    assert not torch.equal(pruned, answer)
    model.save_pretrained(tmp_path / "masked")
    detach(model)
    assert anatomy(model) == before
    # What is pruned in place is pruned for good.
    assert torch.equal(logits(model), pruned if method.prunes_in_place else answer)
    model.save_pretrained(tmp_path / "plain")
    assert not any("parametrizations" in name for name in tensor_names(tmp_path / "plain"))


def test_frozen_masks_come_off_and_leave_their_zeros(method: Method[Any]) -> None:
    model = BERT.build()
    before = anatomy(model)
    masks = mask_at_random(model, method)
    pruned = logits(model)
    masks.freeze()
    assert torch.equal(logits(model), pruned)
    detach(model)
    assert anatomy(model) == before
    assert torch.equal(logits(model), pruned)


@pytest.mark.parametrize("detached", ["copy", "original"])
def test_a_deep_copy_and_its_original_are_independent(
    architecture: Architecture, detached: str
) -> None:
    model = architecture.build()
    plain, plain_values = logits(model), values(model)
    classes = [type(module) for module in model.modules()]
    kept = mask_at_random(model, Movement(keep=0.3, scope="global")).kept()
    masked = logits(model)
    twin = copy.deepcopy(model)
    bare, still_masked = (twin, model) if detached == "copy" else (model, twin)
    detach(bare)

    assert not has_masks(bare)
    assert [type(module) for module in bare.modules()] == classes
    assert_same_values(values(bare), plain_values)
    assert torch.equal(logits(bare), plain)
    assert not hasattr(bare.config, "pruning")

    assert torch.equal(logits(still_masked), masked)
    assert hasattr(still_masked.config, "pruning")
    masks = Masks.of(still_masked)
    assert masks.kept() == kept
    masks.set_level(KeepFraction(1.0))
    assert torch.equal(logits(still_masked), plain)
    detach(still_masked)
    assert_same_values(values(still_masked), plain_values)


def test_a_deep_copy_saves_itself(tmp_path: Path) -> None:
    model = BERT.build()
    mask_at_random(model, Movement(keep=0.3))
    twin = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.add_(1)
    twin.save_pretrained(tmp_path / "twin")
    model.save_pretrained(tmp_path / "model")
    assert_same_values(
        sorted_by_name(load_file(tmp_path / "twin" / "model.safetensors")),
        sorted_by_name(with_plain_weights(twin, twin.state_dict())),
    )
    assert_same_values(
        sorted_by_name(load_file(tmp_path / "model" / "model.safetensors")),
        sorted_by_name(with_plain_weights(model, model.state_dict())),
    )


def test_a_copy_of_a_detached_model_can_be_masked() -> None:
    model = BERT.build()
    masked_copy = copy.deepcopy(model)
    attach(model, Magnitude())
    attach(masked_copy, Magnitude())
    detach(model)
    assert has_masks(masked_copy)
    assert not has_masks(copy.deepcopy(model))


def test_masks_stand_on_the_targets_and_nowhere_else(architecture: Architecture) -> None:
    model = architecture.build()
    weights = {f"{name}.weight": linear.weight for name, linear in in_blocks(model).items()}
    masks = attach(model, Movement())
    assert len(masks) == architecture.blocks * architecture.linears
    assert [one.name for one in masks] == list(weights)
    for one in masks:
        assert one.weight is weights[one.name]
        assert one.mask.scores is not None
        assert one.mask.scores.shape == one.weight.shape


@pytest.mark.parametrize("name", [name for name in METHODS if not name.startswith("l0")])
def test_a_fresh_mask_prunes_nothing(name: str) -> None:
    model = BERT.build()
    before = logits(model)
    masks = attach(model, METHODS[name])
    assert masks.level == METHODS[name].initial_level
    assert masks.density() == 1.0
    assert torch.equal(logits(model), before)


def test_modules_stay_what_they_are(architecture: Architecture) -> None:
    model = architecture.build()
    linears = in_blocks(model)
    attach(model, Magnitude())
    for name, linear in linears.items():
        assert model.get_submodule(name) is linear
        assert isinstance(linear, nn.Linear)


def test_masked_weights_keep_the_value_they_had() -> None:
    model = BERT.build()
    before = values(model)
    masks = mask_at_random(model, Movement(keep=0.1))
    for one in masks:
        assert torch.equal(one.weight, before[one.name])
        assert one.multiplier().sum() == int(0.1 * one.weight.numel())


def test_a_trained_weight_is_kept_when_the_mask_comes_off() -> None:
    model = two_layers()
    masks = attach(model, Movement(keep=0.5), include=["*"])
    masks.set_level(KeepFraction(0.5))
    with torch.no_grad():
        for one in masks:
            one.weight.add_(1)
    trained = [one.weight.clone() for one in masks]
    detach(model)
    assert torch.equal(weight_of(model, 0), trained[0])
    assert torch.equal(weight_of(model, 1), trained[1])


def test_layers_that_share_a_weight_share_its_mask() -> None:
    model = two_layers()
    model.append(nn.Linear(4, 3))
    model[2].weight = model[0].weight
    before, values_before = anatomy(model), values(model)
    masks = mask_at_random(model, Movement(keep=0.5), include=("*",))
    assert [one.name for one in masks] == ["0.weight", "1.weight"]
    assert len(masks.scores()) == 2
    assert torch.equal(weight_of(model, 0), weight_of(model, 2))
    assert torch.count_nonzero(weight_of(model, 2)) == 6
    # Both layers move the scores: the gradient is the sum of the two.
    inputs = torch.randn(5, 4)
    (model[0](inputs) + model[2](inputs)).sum().backward()
    scores = masks.scores()[0]
    expected = 2 * inputs.sum(0).expand(3, 4) * values_before["0.weight"]
    torch.testing.assert_close(scores.grad, expected)
    detach(model)
    assert anatomy(model) == before
    assert weight_of(model, 0) is weight_of(model, 2)


def test_a_layer_used_twice_has_one_mask() -> None:
    shared = nn.Linear(3, 3)
    model = nn.Sequential(shared, shared)
    masks = attach(model, Movement(), include=["*"])
    assert [one.name for one in masks] == ["0.weight"]
    detach(model)
    assert not has_masks(model)


@pytest.mark.parametrize(
    "build",
    [
        two_layers,
        lambda: two_layers(bias=False),
        lambda: two_layers().requires_grad_(False),
        lambda: two_layers().double(),
        lambda: nn.Sequential(Scaled(4, 3), nn.Linear(3, 2)),
    ],
    ids=["plain", "no bias", "frozen", "float64", "subclass"],
)
def test_any_linear_layer_is_restored(build: Callable[[], nn.Sequential]) -> None:
    model, inputs = build(), torch.randn(5, 4)
    inputs = inputs.to(weight_of(model, 0).dtype)
    before, answer = anatomy(model), model(inputs)
    grads = [parameter.requires_grad for parameter in model.parameters()]
    mask_at_random(model, Movement(keep=0.5), include=("*",))
    assert not torch.equal(model(inputs), answer)
    detach(model)
    assert anatomy(model) == before
    assert [parameter.requires_grad for parameter in model.parameters()] == grads
    assert torch.equal(model(inputs), answer)


def test_hooks_stay() -> None:
    model = two_layers()
    calls: list[str] = []
    model[0].register_forward_hook(lambda *_: calls.append("forward"))
    attach(model, Magnitude(), include=["*"])
    model(torch.randn(1, 4))
    detach(model)
    model(torch.randn(1, 4))
    assert calls == ["forward", "forward"]


def test_one_method_after_another() -> None:
    model = BERT.build()
    before = anatomy(model)
    for method in METHODS.values():
        assert mask_at_random(model, method).method == method
        detach(model)
    assert anatomy(model) == before


@pytest.mark.parametrize("training", [False, True])
def test_a_mask_is_in_the_mode_of_its_layer(training: bool) -> None:
    model = two_layers().train(training)
    masks = attach(model, L0(final_lambda=1.0), include=["*"])
    assert all(one.mask.training == training for one in masks)
    model.train(not training)
    assert all(one.mask.training != training for one in masks)


def test_the_config_says_what_was_attached(method: Method[Any]) -> None:
    model = BERT.build()
    attach(model, method, include=["classifier"], exclude=["*.query", "*.key"])
    note = json.loads(json.dumps(model.config.pruning))
    assert method_from_settings(note["method"]) == method
    assert note["include"] == ["classifier"]
    assert note["exclude"] == ["*.query", "*.key"]


def test_include_and_exclude_reach_the_masks() -> None:
    model = BERT.build()
    masks = attach(model, Magnitude(), include=["classifier"], exclude=["*.query", "*.key"])
    expected = [
        f"{name}.weight" for name in in_blocks(model) if not name.endswith(("query", "key"))
    ]
    assert [one.name for one in masks] == [*expected, "classifier.weight"]


def refused_with_weight_norm(model: nn.Sequential) -> None:
    parametrizations.weight_norm(model[1])
    attach(model, Magnitude(), include=["*"])


def refused_with_masks(model: nn.Sequential) -> None:
    attach(model, Magnitude(), include=["1"])
    attach(model, Movement(), include=["*"])


class Adapted(nn.Module):
    """A linear layer beside a low-rank one, named as PEFT names them."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.base_layer = layer
        self.lora_A = nn.ModuleDict({"default": nn.Linear(layer.in_features, 2, bias=False)})
        self.lora_B = nn.ModuleDict({"default": nn.Linear(2, layer.out_features, bias=False)})

    def forward(self, input: Tensor) -> Tensor:
        added: Tensor = self.lora_B["default"](self.lora_A["default"](input))
        return added + self.base_layer(input)  # type: ignore[no-any-return]


def adapted_bert() -> PreTrainedModel:
    model = BERT.build()
    for name, layer in in_blocks(model).items():
        if name.endswith("query"):
            model.set_submodule(name, Adapted(layer))
    return model


def test_layers_of_an_adapter_are_refused() -> None:
    model = adapted_bert()
    before = anatomy(model)
    with pytest.raises(TargetError) as caught:
        attach(model, Movement())
    assert str(caught.value) == (
        "bert.encoder.layer.0.attention.self.query.base_layer belongs to an adapter; merge it "
        "into the model first (merge_and_unload), or exclude it"
    )
    assert anatomy(model) == before


def test_layers_beside_an_adapter_can_be_pruned() -> None:
    model = adapted_bert()
    masks = attach(model, Movement(), exclude=["*.base_layer", "*.lora_*"])
    assert len(masks) == 10
    assert not any("query" in one.name for one in masks)


def test_masks_know_what_their_matrix_is_within_its_block() -> None:
    masks = attach(BERT.build(), Magnitude(), include=["bert.pooler.dense"])
    kinds = [
        "attention.self.query",
        "attention.self.key",
        "attention.self.value",
        "attention.output.dense",
        "intermediate.dense",
        "output.dense",
    ]
    assert [one.mask.kind for one in masks] == [*kinds, *kinds, "bert.pooler.dense"]


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        (refused_with_masks, "1 is masked already; detach or finalize it first"),
        (refused_with_weight_norm, "1 has a parametrization of another kind; exclude it"),
    ],
)
def test_a_refusal_changes_nothing(refused: Callable[[nn.Sequential], None], message: str) -> None:
    model = two_layers()
    with pytest.raises(TargetError) as caught:
        refused(model)
    assert str(caught.value) == message
    assert not parametrize.is_parametrized(model[0])


def test_a_model_with_nothing_to_prune_is_left_as_it_was() -> None:
    model = two_layers()
    before = anatomy(model)
    with pytest.raises(TargetError, match="Sequential has no weights to prune"):
        attach(model, Magnitude())
    assert anatomy(model) == before


def test_there_must_be_masks_to_detach() -> None:
    model = BERT.build()
    with pytest.raises(TargetError, match="BertForSequenceClassification has no masks"):
        detach(model)
    attach(model, Magnitude())
    detach(model)
    with pytest.raises(TargetError, match="has no masks"):
        detach(model)
