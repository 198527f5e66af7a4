import copy
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from fineprune.core.control import Steering
from fineprune.errors import TargetError
from fineprune.pruning import (
    L0,
    Fisher,
    KeepFraction,
    Level,
    Magnitude,
    Masks,
    Method,
    Movement,
    ScoreCut,
    SoftMovement,
    Threshold,
    attach,
)
from fineprune.pruning.masks import has_masks, mask_of
from tests.models import ARCHITECTURES, BERT, METHODS, Architecture, logits, mask_at_random
from tests.oracles import Array, first_largest_overall

GLOBAL = [Magnitude(keep=0.3, scope="global"), Movement(keep=0.3, scope="global")]


def multipliers(masks: Masks) -> list[Array]:
    return [one.multiplier().numpy() for one in masks]


def assert_equal_masks(found: Masks, expected: Masks) -> None:
    assert [one.name for one in found] == [one.name for one in expected]
    for one, other in zip(multipliers(found), multipliers(expected), strict=True):
        np.testing.assert_array_equal(one, other)


def layers(count: int, size: int = 10) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(*[nn.Linear(size, size) for _ in range(count)])


def test_a_model_without_masks_is_refused() -> None:
    model = BERT.build()
    assert not has_masks(model)
    with pytest.raises(
        TargetError,
        match="BertForSequenceClassification has no masks; attach a pruning method to it first",
    ):
        Masks.of(model)


def test_masks_are_found_again(architecture: Architecture) -> None:
    model = architecture.build()
    attached = attach(model, Movement())
    assert has_masks(model)
    found = Masks.of(model)
    assert len(found) == len(attached)
    for one, other in zip(found, attached, strict=True):
        assert one.name == other.name
        assert one.weight is other.weight
        assert one.mask is other.mask


def test_names_are_those_of_a_plain_state_dict(architecture: Architecture) -> None:
    model = architecture.build()
    plain = model.state_dict()
    for one in attach(model, Magnitude()):
        assert torch.equal(one.weight, plain[one.name])


def test_a_parametrization_of_another_kind_is_no_mask() -> None:
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(2, 2))
    assert mask_of(layer) is None
    assert mask_of(nn.LayerNorm(2)) is None


def test_albert_s_layers_share_their_masks() -> None:
    [albert] = [one for one in ARCHITECTURES if one.name == "albert"]
    model = albert.build()
    masks = mask_at_random(model, Movement(keep=0.3))
    assert model.config.num_hidden_layers == 2
    assert len(masks) == 6
    assert len(masks.scores()) == 6


def test_scores_are_those_of_the_masks() -> None:
    masks = attach(BERT.build(), Movement())
    assert [id(scores) for scores in masks.scores()] == [id(one.mask.scores) for one in masks]
    assert attach(BERT.build(), Magnitude()).scores() == []


@pytest.mark.parametrize("name", ["soft movement", "l0"])
def test_the_penalty_reaches_all_scores(name: str) -> None:
    masks = mask_at_random(BERT.build(), METHODS[name])
    penalty = masks.penalty()
    assert penalty is not None
    penalty.backward()  # type: ignore[no-untyped-call]
    for scores in masks.scores():
        assert scores.grad is not None
        assert (scores.grad > 0).all()  # every score is pushed down


@pytest.mark.parametrize("name", ["magnitude", "movement", "global movement", "threshold"])
def test_methods_without_a_penalty(name: str) -> None:
    assert attach(BERT.build(), METHODS[name]).penalty() is None


def test_kept_and_density_count_the_multipliers(method: Method[Any]) -> None:
    masks = mask_at_random(BERT.build(), method)
    expected = {one.name: int((one.multiplier().numpy() != 0).sum()) for one in masks}
    assert masks.kept() == expected
    total = sum(one.weight.numel() for one in masks)
    assert masks.density() == sum(expected.values()) / total
    assert 0.1 < masks.density() < 0.9


@pytest.mark.parametrize(
    ("method", "level"),
    [
        (Magnitude(), ScoreCut(0.1)),
        (Fisher(), ScoreCut(0.1)),
        (SoftMovement(keep=0.1), ScoreCut(0.1)),
        (L0(keep=0.1), ScoreCut(0.1)),
        (Movement(), ScoreCut(0.1)),
        (SoftMovement(final_lambda=1.0), KeepFraction(0.1)),
        (Threshold(), KeepFraction(0.1)),
        (L0(final_lambda=1.0), KeepFraction(0.1)),
    ],
)
def test_a_level_of_the_wrong_type_is_refused(method: Method[Any], level: Level) -> None:
    masks = attach(BERT.build(), method)
    with pytest.raises(
        TypeError, match=rf"{method.name} takes a \w+, found {type(level).__name__}"
    ):
        masks.set_level(level)
    assert masks.level == method.initial_level


@pytest.mark.parametrize("name", ["magnitude", "movement", "soft movement", "threshold"])
def test_a_level_is_the_same_for_all(name: str) -> None:
    masks = mask_at_random(BERT.build(), METHODS[name])
    level = METHODS[name].level(0.45)
    masks.set_level(level)
    assert masks.level == level
    assert {one.mask.level for one in masks} == {level}
    assert {one.mask.level_value.item() for one in masks} == {0.45}


@pytest.mark.parametrize("fraction", [0.0, 1e-4, 0.03, 0.29, 0.5, 0.999, 1.0])
@pytest.mark.parametrize("method", GLOBAL, ids=["magnitude", "movement"])
def test_global_masks_are_the_top_of_all_matrices(method: Method[Any], fraction: float) -> None:
    model = BERT.build()
    masks = mask_at_random(model, method)
    masks.set_level(KeepFraction(fraction))
    ranked = [
        np.abs(one.weight.detach().numpy())
        if one.mask.scores is None
        else one.mask.scores.detach().numpy()
        for one in masks
    ]
    total = sum(array.size for array in ranked)
    expected = first_largest_overall(ranked, int(fraction * total))
    for found, kept in zip(multipliers(masks), expected, strict=True):
        np.testing.assert_array_equal(found, kept)
    assert sum(masks.kept().values()) == int(fraction * total)


def test_global_ties_go_to_the_earlier_matrix() -> None:
    masks = attach(layers(3), Movement(scope="global"), include=["*"])
    masks.set_level(KeepFraction(0.5))
    assert list(masks.kept().values()) == [100, 50, 0]
    assert multipliers(masks)[1].reshape(-1).tolist() == [True] * 50 + [False] * 50


def test_global_ties_across_matrices_are_those_of_a_stable_sort() -> None:
    masks = attach(layers(4), Movement(scope="global"), include=["*"])
    random = np.random.default_rng(0)
    ranked: list[Array] = []
    for scores in masks.scores():
        ranked.append(random.integers(0, 3, (10, 10)).astype(np.float32))
        scores.data = torch.from_numpy(ranked[-1])
    for kept in (1, 57, 133, 134, 200, 399):
        masks.set_level(KeepFraction.of(kept, 400))
        for found, expected in zip(
            multipliers(masks), first_largest_overall(ranked, kept), strict=True
        ):
            np.testing.assert_array_equal(found, expected)


def spread_unevenly(scores: Sequence[nn.Parameter]) -> None:
    for shift, one in enumerate(scores):
        nn.init.normal_(one, mean=float(shift))


def spread_evenly(scores: Sequence[nn.Parameter]) -> None:
    for one in scores:
        one.data = torch.arange(float(one.numel())).reshape(one.shape)


@pytest.mark.parametrize("spread", [spread_evenly, spread_unevenly])
@pytest.mark.parametrize("fraction", [0.0, 0.29, 0.3, 0.57, 1.0])
def test_the_level_that_is_read_keeps_the_same_weights(
    fraction: float, spread: Callable[[Sequence[nn.Parameter]], None]
) -> None:
    masks = attach(layers(10), Movement(scope="global"), include=["*"])
    spread(masks.scores())
    masks.set_level(KeepFraction(fraction))
    before = multipliers(masks)
    level = masks.level
    assert level.value == pytest.approx(fraction, abs=1.5 / 1000)
    masks.set_level(level)
    assert masks.level == level
    for found, expected in zip(multipliers(masks), before, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_shares_are_settled_when_the_level_is_set() -> None:
    masks = attach(layers(2), Movement(scope="global"), include=["*"])
    first, second = masks.scores()
    first.data.fill_(1.0)
    masks.set_level(KeepFraction(0.5))
    assert list(masks.kept().values()) == [100, 0]
    second.data.fill_(2.0)
    masks.set_level(KeepFraction(0.5))
    assert list(masks.kept().values()) == [0, 100]


def test_floors_that_bind_are_named() -> None:
    model = layers(3, size=20)
    masks = attach(model, SoftMovement(final_lambda=1.0, cut=0.5), include=["*"])
    for scores, value in zip(masks.scores(), (-1.0, 1.0, -1.0), strict=True):
        nn.init.constant_(scores, value)
    masks.set_level(ScoreCut(0.5))
    assert masks.at_floor() == {"0.weight", "2.weight"}
    # 0.5% of 400 weights, and one more.
    assert masks.kept() == {"0.weight": 3, "1.weight": 400, "2.weight": 3}


def test_a_share_of_the_density_is_a_floor_too() -> None:
    model = layers(3)
    masks = attach(model, Movement(keep=0.1, scope="global", share_floor=0.5), include=["*"])
    for scores, value in zip(masks.scores(), (-1.0, 1.0, 0.0), strict=True):
        nn.init.constant_(scores, value)
    masks.set_level(KeepFraction(0.2))
    assert masks.kept() == {"0.weight": 10, "1.weight": 40, "2.weight": 10}
    assert masks.at_floor() == {"0.weight", "2.weight"}
    masks.set_level(KeepFraction(1.0))
    assert masks.at_floor() == set()


@pytest.mark.parametrize("name", ["magnitude", "movement", "global movement", "fisher", "l0"])
def test_methods_without_a_floor_are_never_at_it(name: str) -> None:
    masks = mask_at_random(BERT.build(), METHODS[name])
    assert masks.at_floor() == set()


def test_masks_survive_a_state_dict(architecture: Architecture) -> None:
    method = Movement(keep=0.3, scope="global")
    model, other = architecture.build(), architecture.build(seed=7)
    masks, fresh = mask_at_random(model, method), attach(other, method)
    other.load_state_dict(model.state_dict())
    assert_equal_masks(fresh, masks)
    assert fresh.level == masks.level
    assert torch.equal(logits(other), logits(model))


def test_every_method_s_masks_survive_a_state_dict(method: Method[Any]) -> None:
    model, other = BERT.build(), BERT.build(seed=7)
    masks, fresh = mask_at_random(model, method), attach(other, method)
    other.load_state_dict(model.state_dict())
    assert_equal_masks(fresh, masks)
    assert fresh.level == masks.level


def test_masks_survive_a_deep_copy(architecture: Architecture) -> None:
    model = architecture.build()
    masks = mask_at_random(model, Movement(keep=0.3, scope="global"))
    twin = Masks.of(copy.deepcopy(model))
    assert_equal_masks(twin, masks)
    assert {id(scores) for scores in twin.scores()}.isdisjoint(map(id, masks.scores()))


def test_masks_survive_a_cast(method: Method[Any]) -> None:
    model: nn.Module = BERT.build()
    model.bfloat16().float()  # now bfloat16 holds its weights exactly
    masks = mask_at_random(model, method)
    before = multipliers(masks)
    level = masks.level
    model.bfloat16()
    assert masks.level == level
    assert all(one.weight.dtype == torch.bfloat16 for one in masks)
    assert all(scores.dtype == torch.float32 for scores in masks.scores())
    assert all(one.mask.level_value.dtype == torch.float64 for one in masks)
    for found, expected in zip(multipliers(masks), before, strict=True):
        np.testing.assert_array_equal(found, expected)
    assert logits(model).dtype == torch.bfloat16


def test_masks_are_as_deterministic_as_their_inputs(method: Method[Any]) -> None:
    masks, again = (mask_at_random(BERT.build(), method) for _ in range(2))
    assert_equal_masks(masks, again)


# Masks are state.


def test_a_mask_stays_until_it_is_made_anew() -> None:
    model = BERT.build()
    masks = mask_at_random(model, Movement(keep=0.3))
    before = logits(model)
    for scores in masks.scores():
        nn.init.normal_(scores)
    assert torch.equal(logits(model), before)
    masks.update(KeepFraction(0.3))
    assert not torch.equal(logits(model), before)


def test_fisher_sets_what_it_prunes_to_zero() -> None:
    model = BERT.build()
    masks = mask_at_random(model, Fisher(keep=0.3))
    assert {int(torch.count_nonzero(one.weight)) for one in masks} == set(masks.kept().values())
    with torch.no_grad():
        for one in masks:
            one.weight.add_(1)  # as a step of an optimizer moves them
    masks.apply_in_place()
    for one in masks:
        assert torch.equal(one.weight != 0, one.mask.kept)


def test_the_same_step_of_the_same_run_draws_the_same_gates() -> None:
    model, other = BERT.build().train(), BERT.build().train()
    masks, twins = mask_at_random(model, METHODS["l0"]), mask_at_random(other, METHODS["l0"])
    torch.manual_seed(7)
    masks.draw(3)
    drawn = [one.mask(one.weight) for one in masks]
    torch.rand(10)  # whatever else is drawn meanwhile
    twins.draw(3)
    for one, expected in zip(twins, drawn, strict=True):
        assert torch.equal(one.mask(one.weight), expected)
    # Not the same noise for each matrix.
    assert not torch.equal(drawn[0] == 0, drawn[1] == 0)


@pytest.mark.parametrize(("seed", "step"), [(7, 4), (8, 3)])
def test_another_step_or_seed_draws_others(seed: int, step: int) -> None:
    masks = mask_at_random(BERT.build().train(), METHODS["l0"])
    torch.manual_seed(7)
    masks.draw(3)
    drawn = [one.mask(one.weight) for one in masks]
    torch.manual_seed(seed)
    masks.draw(step)
    for one, other in zip(masks, drawn, strict=True):
        assert not torch.equal(one.mask(one.weight), other)


def test_drawing_leaves_the_random_numbers_of_others_alone() -> None:
    masks = mask_at_random(BERT.build().train(), METHODS["l0"])
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    masks.draw(3)
    assert torch.equal(torch.rand(3), expected)


def test_evaluation_does_not_see_what_was_drawn() -> None:
    model = BERT.build()
    masks = mask_at_random(model, METHODS["l0"])
    before = logits(model)
    masks.draw(1)
    assert torch.equal(logits(model), before)


def test_frozen_masks_compute_what_they_did(method: Method[Any]) -> None:
    model = BERT.build()
    masks = mask_at_random(model, method)
    masks.draw(0)
    answer, kept, level = logits(model), masks.kept(), masks.level
    masks.freeze()
    assert masks.frozen
    assert masks.scores() == []
    assert masks.penalty() is None
    assert torch.equal(logits(model), answer)
    masks.freeze()  # once more
    masks.draw(1)
    masks.update(method.level(0.9))  # which nothing follows any longer
    assert torch.equal(logits(model), answer)
    assert masks.kept() == kept
    assert masks.level == level
    for one in masks:
        assert (one.weight[~one.mask.kept] == 0).all()


def test_shared_weights_are_masked_drawn_and_frozen_once(method: Method[Any]) -> None:
    [albert] = [one for one in ARCHITECTURES if one.name == "albert"]
    model = albert.build()
    masks = mask_at_random(model, method)
    expected = [one.weight * one.multiplier() for one in masks]
    masks.draw(0)
    masks.freeze()
    for one, weight in zip(masks, expected, strict=True):
        assert torch.equal(one.weight, weight)


def test_layers_that_share_a_weight_say_so() -> None:
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    second.weight = first.weight
    assert attach(nn.Sequential(first, second), Movement(), include=["*"]).share_weights
    assert not attach(layers(2), Movement(), include=["*"]).share_weights


def test_steering_is_that_of_all_masks_and_comes_back() -> None:
    model, other = BERT.build(), BERT.build()
    masks, fresh = attach(model, L0(keep=0.1)), attach(other, L0(keep=0.1))
    masks.steering = Steering(17.5, 0.625)
    assert masks.steering == Steering(17.5, 0.625)
    other.load_state_dict(model.state_dict())
    assert fresh.steering == Steering(17.5, 0.625)
    assert attach(BERT.build(), Movement()).steering is None


def test_scopes_that_compete_by_kind_do_so_in_a_model() -> None:
    masks = mask_at_random(BERT.build(), Movement(keep=0.1, scope="kind"))
    masks.set_level(KeepFraction(0.3))
    kept: dict[str, int] = defaultdict(int)
    sizes: dict[str, int] = defaultdict(int)
    for one in masks:
        kept[one.mask.kind] += one.mask.count
        sizes[one.mask.kind] += one.weight.numel()
    assert len(kept) == 6
    assert kept == {kind: int(0.3 * size) for kind, size in sizes.items()}
