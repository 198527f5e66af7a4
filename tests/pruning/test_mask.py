import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fineprune.core.gates import sample_noise, sampled_gates
from fineprune.errors import TrainingError
from fineprune.pruning import (
    L0,
    Fisher,
    KeepFraction,
    Magnitude,
    Mask,
    Method,
    Movement,
    ScoreCut,
    SoftMovement,
)
from tests.models import METHODS


def random_weight() -> nn.Parameter:
    """A weight that bfloat16 holds exactly, so that a cast loses nothing of it."""
    torch.manual_seed(0)
    return nn.Parameter(torch.randn(12, 20).bfloat16().float())


def settle(mask: Mask, weight: Tensor, value: float | None = None) -> None:
    """Makes the mask anew, at the final level or another one."""
    method = mask.method
    moment = torch.rand(weight.shape) if method.needs_second_moment else None
    level = method.final_level if value is None else method.level(value)
    [settled] = method.settle([mask.matrix(weight, moment)], level)
    mask.take(settled)


def random_mask(method: Method[Any], weight: Tensor) -> Mask:
    mask = Mask(method, weight)
    if mask.scores is not None:
        nn.init.normal_(mask.scores, std=3.0)
    settle(mask, weight)
    return mask


def test_scores_start_as_the_method_says(method: Method[Any]) -> None:
    mask = Mask(method, random_weight().bfloat16())
    expected = {"magnitude": None, "fisher": None, "l0": 2.197}.get(method.name, 0.0)
    if expected is None:
        assert mask.scores is None
    else:
        assert mask.scores is not None
        assert mask.scores.dtype == torch.float32
        assert mask.scores.requires_grad
        assert torch.equal(mask.scores, torch.full((12, 20), expected))


def test_a_fresh_mask_keeps_everything(method: Method[Any]) -> None:
    weight = random_weight()
    mask = Mask(method, weight, "query")
    assert mask.kept.dtype == torch.bool
    assert mask.kept.all()
    assert mask.count == 240
    assert mask.kind == "query"
    assert not mask.at_floor
    assert not mask.frozen
    if method.name == "l0":
        # Nine gates of ten, none of them shifted.
        gate = 1.2 / (1 + torch.tensor(-2.197).exp()) - 0.1
        torch.testing.assert_close(mask.eval()(weight), weight * gate)
    else:
        assert torch.equal(mask.eval()(weight), weight)


def test_the_level_is_a_buffer_of_the_checkpoint(method: Method[Any]) -> None:
    mask = Mask(method, random_weight())
    assert mask.level == method.initial_matrix_level
    saved = mask.state_dict()["level_value"]
    assert saved.dtype == torch.float64
    assert saved.shape == ()
    assert saved.item() == method.initial_matrix_level.value
    level = method.matrix_level(0.7)
    mask.level = level
    assert mask.level == level
    assert mask.state_dict()["level_value"].item() == level.value


def test_the_level_is_saved_to_the_last_bit() -> None:
    mask = Mask(Movement(), random_weight())
    mask.level = KeepFraction(1 / 3)
    assert mask.level_value.item() == 1 / 3  # float32 has no such number


def saved_and_loaded(mask: Mask, into: Mask) -> Mask:
    file = io.BytesIO()
    torch.save(mask.state_dict(), file)
    file.seek(0)
    into.load_state_dict(torch.load(file, weights_only=True))
    return into


def test_a_mask_comes_back_from_its_state(method: Method[Any]) -> None:
    weight = random_weight()
    mask = random_mask(method, weight)
    back = saved_and_loaded(mask, Mask(method, weight))
    assert back.level == mask.level
    assert back.count == mask.count
    assert torch.equal(back.kept, mask.kept)
    assert torch.equal(back.multiplier(weight), mask.multiplier(weight))


def test_a_mask_is_what_was_saved_and_not_what_scores_say() -> None:
    # Fisher's cannot be made anew, and those of others may be older than their scores.
    weight = random_weight()
    mask = random_mask(Movement(keep=0.3), weight)
    assert mask.scores is not None
    nn.init.normal_(mask.scores)
    back = saved_and_loaded(mask, Mask(Movement(keep=0.3), weight))
    assert torch.equal(back.kept, mask.kept)


def test_a_second_moment_comes_back_from_its_state() -> None:
    weight = random_weight()
    mask = Mask(Fisher(), weight)
    assert "second_moment" not in mask.state_dict()
    mask.observe(torch.randn(12, 20))
    back = saved_and_loaded(mask, Mask(Fisher(), weight))
    assert back.second_moment is not None
    assert mask.second_moment is not None
    assert torch.equal(back.second_moment, mask.second_moment)


def test_steering_comes_back_from_its_state() -> None:
    weight = random_weight()
    mask = Mask(L0(keep=0.1), weight)
    assert mask.steering is not None
    mask.steering.copy_(torch.tensor([123.4, 0.56], dtype=torch.float64))
    back = saved_and_loaded(mask, Mask(L0(keep=0.1), weight))
    assert back.steering is not None
    assert back.steering.tolist() == [123.4, 0.56]


def test_only_what_is_controlled_has_steering() -> None:
    for name, method in METHODS.items():
        has_steering = Mask(method, random_weight()).steering is not None
        assert has_steering == (name == "l0 with keep"), name


@pytest.mark.parametrize("value", [1.5, float("nan")])
def test_a_damaged_level_is_refused(value: float) -> None:
    mask = Mask(Magnitude(), random_weight())
    state = {**mask.state_dict(), "level_value": torch.tensor(value, dtype=torch.float64)}
    with pytest.raises(ValueError, match="within 0 to 1"):
        mask.load_state_dict(state)


@pytest.mark.parametrize("cast", [torch.bfloat16, torch.float16, torch.float64])
def test_a_cast_changes_neither_scores_nor_mask_nor_level(
    method: Method[Any], cast: torch.dtype
) -> None:
    weight = random_weight()
    mask = random_mask(method, weight)
    before = {name: tensor.clone() for name, tensor in mask.state_dict().items()}
    multiplier = mask.multiplier(weight)
    mask.to(cast)
    for name, tensor in mask.state_dict().items():
        assert tensor.dtype == before[name].dtype, name
        assert torch.equal(tensor, before[name]), name
    assert torch.equal(mask.multiplier(weight.to(cast)), multiplier)
    assert mask(weight.to(cast)).dtype == cast


def test_scores_move_with_the_model() -> None:
    mask = Mask(Movement(), random_weight()).to("meta")
    assert mask.scores is not None
    assert {one.device.type for one in mask.state_dict().values()} == {"meta"}


def test_a_device_without_float64_leaves_the_level_where_it_is() -> None:
    def to_poor_device(tensor: Tensor) -> Tensor:
        if tensor.dtype == torch.float64:
            raise TypeError("this device has no float64")
        return tensor.to("meta")

    mask = Mask(Movement(), random_weight())
    mask._apply(to_poor_device)
    assert mask.scores is not None
    assert mask.scores.device.type == "meta"
    assert mask.kept.device.type == "meta"
    assert mask.level_value.item() == 1.0


def test_a_copy_has_scores_mask_and_level_of_its_own(method: Method[Any]) -> None:
    weight = random_weight()
    mask = random_mask(method, weight)
    before, level = mask.multiplier(weight).clone(), mask.level
    twin = copy.deepcopy(mask)
    assert torch.equal(twin.multiplier(weight), before)
    mask.level = method.initial_matrix_level
    mask.kept.fill_(True)
    if mask.scores is not None:
        nn.init.constant_(mask.scores, 9.0)
    assert twin.level == level
    assert twin.level_value.item() == level.value
    assert torch.equal(twin.multiplier(weight), before)


def test_the_forward_in_eval_mode_multiplies(method: Method[Any]) -> None:
    weight = random_weight()
    mask = random_mask(method, weight).eval()
    if method.prunes_in_place:  # it relies on the zeros that `Masks` puts there
        assert mask(weight) is weight
    else:
        assert torch.equal(mask(weight), weight * mask.multiplier(weight))


def test_a_forward_pass_applies_the_mask_as_it_is(method: Method[Any]) -> None:
    weight = random_weight()
    mask = random_mask(method, weight).eval()
    before = mask(weight).clone()
    if mask.scores is not None and method.name != "l0":  # whose gates are no state
        nn.init.normal_(mask.scores, mean=-5.0)
        assert torch.equal(mask(weight), before)
        settle(mask, weight, 0.9)
        assert not torch.equal(mask(weight), before)


# What is drawn.


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", ["l0", "l0 with keep"])
def test_training_takes_the_gates_that_were_drawn_until_others_are(name: str) -> None:
    weight = random_weight()
    mask = random_mask(METHODS[name], weight)
    assert mask.scores is not None
    in_eval = mask.eval()(weight)
    mask.train().draw(seeded(5))
    noise = sample_noise(mask.scores.detach(), seeded(5))
    expected = weight * sampled_gates(mask.scores.detach() - mask.level.value, noise)
    assert torch.equal(mask(weight), expected)
    assert torch.equal(mask(weight), expected)
    assert not torch.equal(expected, in_eval)
    assert torch.equal(mask.eval()(weight), in_eval)
    mask.train().draw(seeded(6))
    assert not torch.equal(mask(weight), expected)


@pytest.mark.parametrize("name", [name for name in METHODS if not name.startswith("l0")])
def test_other_methods_draw_nothing(name: str) -> None:
    weight = random_weight()
    mask = random_mask(METHODS[name], weight)
    in_eval = mask.eval()(weight)
    mask.train().draw(seeded(5))
    assert torch.equal(mask(weight), in_eval)


def test_a_multiplier_has_no_gradient(method: Method[Any]) -> None:
    weight = random_weight()
    assert not random_mask(method, weight).multiplier(weight).requires_grad


# Masks that were not moved.

OPTIMIZERS: dict[str, Callable[[list[nn.Parameter]], torch.optim.Optimizer]] = {
    "adam": lambda them: torch.optim.AdamW(them, foreach=False),
    "foreach": lambda them: torch.optim.AdamW(them, foreach=True),
    "fused": lambda them: torch.optim.AdamW(them, fused=True),
    "sgd": lambda them: torch.optim.SGD(them, lr=0.1),
}


def stepping(
    mask: Mask, weight: nn.Parameter, optimizer: str = "adam"
) -> tuple[Callable[[], None], Callable[[], None]]:
    """A backward pass, and a step of an optimizer over weight and scores."""
    parameters = [weight, *([] if mask.scores is None else [mask.scores])]
    made = OPTIMIZERS[optimizer](parameters)

    def backward() -> None:
        mask(weight).square().sum().backward()

    def step() -> None:
        made.step()
        made.zero_grad()

    return backward, step


STALE = "the model was changed after its masks were made, and they were not moved: add fineprune"


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_loop_that_forgets_to_move_masks_is_stopped(optimizer: str, method: Method[Any]) -> None:
    weight = random_weight()
    mask = random_mask(method, weight).train()
    backward, step = stepping(mask, weight, optimizer)
    backward()
    step()
    with pytest.raises(TrainingError, match=STALE):
        backward()


def test_masks_that_are_moved_go_on(method: Method[Any]) -> None:
    weight = random_weight()
    mask = random_mask(method, weight).train()
    backward, step = stepping(mask, weight)
    for _ in range(3):
        backward()
        backward()  # an optimizer that is not asked to step changes nothing
        step()
        mask.mark_fresh()


def test_evaluation_takes_masks_as_they_are(method: Method[Any]) -> None:
    weight = random_weight()
    mask = random_mask(method, weight).train()
    backward, step = stepping(mask, weight)
    backward()
    step()
    mask.eval()(weight)
    with torch.no_grad():
        mask.train()(weight)
    with pytest.raises(TrainingError, match=STALE):
        mask(weight)


def test_loading_makes_masks_fresh() -> None:
    weight = random_weight()
    mask = random_mask(Movement(keep=0.3), weight).train()
    before = copy.deepcopy(mask.state_dict())
    backward, step = stepping(mask, weight)
    backward()
    step()
    mask.load_state_dict(before)
    backward()


def copied(mask: Mask) -> Mask:
    return copy.deepcopy(mask)


def pickled(mask: Mask) -> Mask:
    loaded: Mask = pickle.loads(pickle.dumps(mask))
    return loaded


@pytest.mark.parametrize("duplicate", [copied, pickled])
def test_a_copy_in_the_middle_of_training_can_be_trained(
    duplicate: Callable[[Mask], Mask],
) -> None:
    weight = random_weight()
    mask = random_mask(Movement(keep=0.3), weight).train()
    backward, step = stepping(mask, weight)
    for _ in range(3):
        backward()
        step()
        mask.mark_fresh()
    backward()
    # A copy's tensors count their changes anew.
    other = duplicate(mask)
    backward, step = stepping(other, weight)
    backward()
    step()
    with pytest.raises(TrainingError, match=STALE):
        backward()


def test_a_model_that_moves_or_is_cast_is_not_changed() -> None:
    weight = random_weight()
    mask = random_mask(Movement(keep=0.3), weight).train()
    mask(weight)
    mask.double().float().cpu()
    mask(weight)


# Gradients that a mask keeps by itself.


def test_the_second_moment_is_a_running_mean_of_squared_gradients() -> None:
    mask = Mask(Fisher(), random_weight())
    torch.manual_seed(0)
    gradients = [torch.randn(12, 20, dtype=torch.float64) for _ in range(5)]
    expected = gradients[0] ** 2
    for gradient in gradients[1:]:
        expected = 0.99 * expected + 0.01 * gradient**2
    for gradient in gradients:
        found = mask.observe(gradient.float())
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=0)
    assert mask.second_moment is not None
    torch.testing.assert_close(mask.second_moment, found)
    assert found.dtype == torch.float32


def test_a_second_moment_of_bfloat16_gradients_is_float32() -> None:
    mask = Mask(Fisher(), random_weight())
    gradient = torch.full((12, 20), 1e-3, dtype=torch.bfloat16)
    for _ in range(50):
        found = mask.observe(gradient)
    # In bfloat16, a hundredth of the difference would be lost.
    torch.testing.assert_close(found, gradient.float() ** 2, rtol=1e-5, atol=0)


# Masks that stay.


def test_freezing_puts_zeros_where_nothing_is_kept(method: Method[Any]) -> None:
    weight = random_weight()
    mask = random_mask(method, weight)
    multiplier = mask.multiplier(weight)
    expected = (weight * multiplier).detach().clone()
    kept = mask.kept.clone()
    mask.freeze(weight)
    assert mask.frozen
    assert mask.scores is None
    assert "scores" not in mask.state_dict()
    assert torch.equal(weight, expected)
    assert torch.equal(mask.kept, kept)
    assert mask(weight) is weight  # nothing is left to do
    assert "frozen" in str(mask)


@pytest.mark.parametrize("name", ["l0", "l0 with keep"])
def test_gates_are_multiplied_in_once(name: str) -> None:
    weight = random_weight()
    mask = random_mask(METHODS[name], weight)
    mask.draw(seeded(1))
    mask.freeze(weight)
    once = weight.detach().clone()
    mask.freeze(weight)
    assert torch.equal(weight, once)
    assert torch.equal(mask.train()(weight), once)
    assert mask.multiplier(weight).dtype == torch.bool


@pytest.mark.parametrize(
    ("method", "level"),
    [
        (Movement(keep=0.25), KeepFraction(0.5)),
        (METHODS["threshold"], ScoreCut(0.7)),
        (SoftMovement(keep=0.1), KeepFraction(0.2)),
    ],
)
def test_print_names_the_method_and_the_level(method: Method[Any], level: Any) -> None:
    mask = Mask(method, random_weight())
    mask.level = level
    assert str(method) in str(mask)
    assert str(level) in str(mask)
    assert "frozen" not in str(mask)
