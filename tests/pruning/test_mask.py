import copy
import io
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fineprune.core.gates import sample_noise, sampled_gates
from fineprune.pruning import L0, KeepFraction, Magnitude, Mask, Method, Movement, ScoreCut
from tests.models import METHODS


def random_weight() -> nn.Parameter:
    """A weight that bfloat16 holds exactly, so that a cast loses nothing of it."""
    torch.manual_seed(0)
    return nn.Parameter(torch.randn(12, 20).bfloat16().float())


def random_mask(method: Method[Any], weight: Tensor) -> Mask:
    mask = Mask(method, weight)
    if mask.scores is not None:
        nn.init.normal_(mask.scores)
    mask.level = method.final_level
    return mask


def test_scores_start_as_the_method_says(method: Method[Any]) -> None:
    mask = Mask(method, random_weight().bfloat16())
    expected = {"magnitude": None, "l0": 2.197}.get(method.name, 0.0)
    if expected is None:
        assert mask.scores is None
    else:
        assert mask.scores is not None
        assert mask.scores.dtype == torch.float32
        assert mask.scores.requires_grad
        assert torch.equal(mask.scores, torch.full((12, 20), expected))


def test_the_level_is_a_buffer_of_the_checkpoint(method: Method[Any]) -> None:
    mask = Mask(method, random_weight())
    assert mask.level == method.initial_level
    saved = mask.state_dict()["level_value"]
    assert saved.dtype == torch.float64
    assert saved.shape == ()
    assert saved.item() == method.initial_level.value
    mask.level = method.final_level
    assert mask.level == method.final_level
    assert mask.state_dict()["level_value"].item() == method.final_level.value


def test_the_level_is_saved_to_the_last_bit() -> None:
    mask = Mask(Movement(), random_weight())
    mask.level = KeepFraction(1 / 3)
    assert mask.level_value.item() == 1 / 3  # float32 has no such number


def test_a_mask_comes_back_from_its_state(method: Method[Any]) -> None:
    weight = random_weight()
    mask = random_mask(method, weight)
    file = io.BytesIO()
    torch.save(mask.state_dict(), file)
    file.seek(0)
    back = Mask(method, weight)
    back.load_state_dict(torch.load(file, weights_only=True))
    assert back.level == mask.level
    assert torch.equal(back.multiplier(weight), mask.multiplier(weight))


@pytest.mark.parametrize("value", [1.5, float("nan")])
def test_a_damaged_level_is_refused(value: float) -> None:
    mask = Mask(Magnitude(), random_weight())
    with pytest.raises(ValueError, match="within 0 to 1"):
        mask.load_state_dict({"level_value": torch.tensor(value, dtype=torch.float64)})


@pytest.mark.parametrize("cast", [torch.bfloat16, torch.float16, torch.float64])
def test_a_cast_changes_neither_scores_nor_level(method: Method[Any], cast: torch.dtype) -> None:
    weight = random_weight()
    mask = random_mask(method, weight)
    before = mask.multiplier(weight)
    scores = None if mask.scores is None else mask.scores.clone()
    mask.to(cast)
    assert mask.level_value.dtype == torch.float64
    assert mask.level_value.item() == method.final_level.value
    if scores is not None:
        assert mask.scores is not None
        assert mask.scores.dtype == torch.float32
        assert torch.equal(mask.scores, scores)
    assert torch.equal(mask.multiplier(weight.to(cast)), before)
    assert mask(weight.to(cast)).dtype == cast


def test_scores_move_with_the_model() -> None:
    mask = Mask(Movement(), random_weight()).to("meta")
    assert mask.scores is not None
    assert mask.scores.device.type == "meta"
    assert mask.level_value.device.type == "meta"


def test_a_device_without_float64_leaves_the_level_where_it_is() -> None:
    def to_poor_device(tensor: Tensor) -> Tensor:
        if tensor.dtype == torch.float64:
            raise TypeError("this device has no float64")
        return tensor.to("meta")

    mask = Mask(Movement(), random_weight())
    mask._apply(to_poor_device)
    assert mask.scores is not None
    assert mask.scores.device.type == "meta"
    assert mask.level_value.item() == 1.0


def test_a_copy_has_scores_and_level_of_its_own(method: Method[Any]) -> None:
    weight = random_weight()
    mask = random_mask(method, weight)
    before = mask.multiplier(weight)
    twin = copy.deepcopy(mask)
    assert torch.equal(twin.multiplier(weight), before)
    mask.level = method.initial_level
    if mask.scores is not None:
        nn.init.constant_(mask.scores, -9.0)
    assert twin.level == method.final_level
    assert twin.level_value.item() == method.final_level.value
    assert torch.equal(twin.multiplier(weight), before)


def test_the_forward_in_eval_mode_multiplies(method: Method[Any]) -> None:
    weight = random_weight()
    mask = random_mask(method, weight).eval()
    assert torch.equal(mask(weight), weight * mask.multiplier(weight))


def test_only_gates_differ_between_training_and_evaluation(method: Method[Any]) -> None:
    weight = random_weight()
    mask = random_mask(method, weight)
    in_eval, in_training = mask.eval()(weight), mask.train()(weight)
    assert torch.equal(in_eval, in_training) == (not isinstance(method, L0))


def test_gates_are_drawn_anew_in_each_training_step() -> None:
    weight = random_weight()
    mask = random_mask(METHODS["l0"], weight).train()
    assert mask.scores is not None
    torch.manual_seed(5)
    expected = [weight * sampled_gates(mask.scores, sample_noise(mask.scores)) for _ in range(2)]
    torch.manual_seed(5)
    found = [mask(weight) for _ in range(2)]
    assert torch.equal(found[0], expected[0])
    assert torch.equal(found[1], expected[1])
    assert not torch.equal(found[0], found[1])
    assert torch.equal(mask.eval()(weight), mask(weight))


def test_a_multiplier_has_no_gradient(method: Method[Any]) -> None:
    weight = random_weight()
    assert not random_mask(method, weight).multiplier(weight).requires_grad


@pytest.mark.parametrize(
    ("method", "level"),
    [(Movement(keep=0.25), KeepFraction(0.5)), (METHODS["threshold"], ScoreCut(0.7))],
)
def test_print_names_the_method_and_the_level(method: Method[Any], level: Any) -> None:
    mask = Mask(method, random_weight())
    mask.level = level
    assert str(method) in str(mask)
    assert str(level) in str(mask)
