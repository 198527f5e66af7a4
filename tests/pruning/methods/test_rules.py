"""Rules, on importances alone: no method, no model."""

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fineprune.core.gates import CLOSED, expected_gates
from fineprune.pruning import KeepFraction, ScoreCut
from fineprune.pruning.methods import Scope, Settled
from fineprune.pruning.methods.rules import (
    Cutting,
    OpenGates,
    Ranked,
    Ranking,
    Rule,
    ShiftedGates,
)
from tests.oracles import Array, first_largest, first_largest_overall, sigmoid
from tests.pruning.methods.matrices import random_scores

SCOPES: tuple[Scope, ...] = ("local", "kind", "global")
SHAPES = ((6, 10), (20, 15), (7, 7), (6, 10), (20, 15), (7, 7))
KINDS = ("query", "up", "down", "query", "up", "down")


def model(seed: int = 0, *, distinct: int | None = None) -> list[Ranked]:
    """Six matrices of three kinds, the later ones more important; with ties if so few differ."""
    random = np.random.default_rng(seed)
    importances: list[Array] = [
        random.normal(size=shape, loc=0.4 * i) for i, shape in enumerate(SHAPES)
    ]
    if distinct is not None:
        importances = [random.integers(0, distinct, shape) for shape in SHAPES]
    return [
        Ranked(torch.from_numpy(importance.astype(np.float32)), kind)
        for importance, kind in zip(importances, KINDS, strict=True)
    ]


def counts(settled: Sequence[Settled]) -> list[int]:
    """What the rule says it keeps, checked against its masks."""
    found = [int(one.mask.sum()) for one in settled]
    assert found == [one.kept for one in settled]
    return found


def assert_masks(settled: Sequence[Settled], expected: Sequence[Array]) -> None:
    for one, mask in zip(settled, expected, strict=True):
        assert one.mask.dtype == torch.bool
        np.testing.assert_array_equal(one.mask.numpy(), mask)


FRACTIONS = (1e-4, 0.03, 0.29, 0.5, 0.999, 1.0)


@pytest.mark.parametrize("fraction", FRACTIONS)
@pytest.mark.parametrize("distinct", [None, 3])
def test_local_ranking_keeps_the_top_of_each_matrix(fraction: float, distinct: int | None) -> None:
    ranked = model(distinct=distinct)
    settled = Ranking(0.1).settle(ranked, KeepFraction(fraction))
    arrays = [one.importance.numpy() for one in ranked]
    assert_masks(settled, [first_largest(one, int(fraction * one.size)) for one in arrays])
    assert {one.level for one in settled} == {KeepFraction(fraction)}


@pytest.mark.parametrize("fraction", FRACTIONS)
@pytest.mark.parametrize("distinct", [None, 3])
def test_global_ranking_keeps_the_top_of_all(fraction: float, distinct: int | None) -> None:
    ranked = model(distinct=distinct)
    settled = Ranking(0.1, "global").settle(ranked, KeepFraction(fraction))
    arrays = [one.importance.numpy() for one in ranked]
    total = sum(one.size for one in arrays)
    assert_masks(settled, first_largest_overall(list(arrays), int(fraction * total)))
    assert sum(counts(settled)) == int(fraction * total)


@pytest.mark.parametrize("fraction", FRACTIONS)
@pytest.mark.parametrize("distinct", [None, 3])
def test_ranking_by_kind_keeps_the_top_of_each_kind(fraction: float, distinct: int | None) -> None:
    ranked = model(distinct=distinct)
    settled = Ranking(0.1, "kind").settle(ranked, KeepFraction(fraction))
    places: dict[str, list[int]] = defaultdict(list)
    for place, kind in enumerate(KINDS):
        places[kind].append(place)
    for among in places.values():
        arrays = [ranked[i].importance.numpy() for i in among]
        count = int(fraction * sum(one.size for one in arrays))
        assert_masks([settled[i] for i in among], first_largest_overall(list(arrays), count))
        assert sum(counts([settled[i] for i in among])) == count


def test_kinds_share_a_budget_among_themselves_only() -> None:
    settled = Ranking(0.1, "kind").settle(model(), KeepFraction(0.2))
    kept = dict(zip(range(6), counts(settled), strict=True))
    # The later matrix of each kind is the more important one.
    assert all(kept[place] < kept[place + 3] for place in range(3))
    assert kept[0] + kept[3] == 24
    assert kept[1] + kept[4] == 120
    assert kept[2] + kept[5] == 19


@pytest.mark.parametrize("scope", ["kind", "global"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("fraction", [0.04, 0.25, 0.8])
def test_every_matrix_keeps_its_share_of_the_density(
    scope: Scope, share: float, fraction: float
) -> None:
    # So far apart that the first matrices would be left with nothing.
    ranked = [Ranked(one.importance + 100 * i, one.kind) for i, one in enumerate(model())]
    settled = Ranking(0.01, scope, share).settle(ranked, KeepFraction(fraction))
    kept = counts(settled)
    sizes = [one.importance.numel() for one in ranked]
    floors = [int(share * fraction * size) for size in sizes]
    assert all(one >= floor for one, floor in zip(kept, floors, strict=True))
    if scope == "global":
        assert sum(kept) == int(fraction * sum(sizes))
    for one, settled_one, floor, ranking in zip(kept, settled, floors, ranked, strict=True):
        if settled_one.at_floor:
            assert one == floor > 0
            expected = first_largest(ranking.importance.numpy(), floor)
            np.testing.assert_array_equal(settled_one.mask.numpy(), expected)
    assert settled[0].at_floor == (floors[0] > 0 and kept[0] == floors[0])
    assert not settled[5].at_floor


@given(
    st.sampled_from(SCOPES),
    st.floats(0, 1),
    st.floats(0.001, 1),
    st.integers(0, 1000),
    st.sampled_from([None, 2, 20]),
)
def test_levels_of_a_ranking_give_its_masks_and_add_up_to_its_level(
    scope: Scope, share: float, fraction: float, seed: int, distinct: int | None
) -> None:
    rule, ranked = Ranking(0.1, scope, share), model(seed, distinct=distinct)
    settled = rule.settle(ranked, KeepFraction(fraction))
    for one, ranking in zip(settled, ranked, strict=True):
        assert torch.equal(rule.restore(ranking.importance, one.level), one.mask)
    sizes = [one.importance.numel() for one in ranked]
    overall = rule.overall_level(
        [one.level for one in settled], [one.kept for one in settled], sizes
    )
    assert overall.count(sum(sizes)) == (
        KeepFraction(fraction).count(sum(sizes)) if scope == "local" else sum(counts(settled))
    )
    again = rule.settle(ranked, overall)
    if scope != "kind" and not share:  # where floors and kinds are rounded, it may move by one
        assert counts(again) == counts(settled)


def test_levels_of_a_ranking() -> None:
    rule = Ranking(0.15, initial_keep=0.5)
    assert rule.initial_level == KeepFraction(1.0)
    assert rule.final_level == KeepFraction(0.15)
    assert rule.level(0.3) == KeepFraction(0.3)
    with pytest.raises(ValueError, match=r"within 0 to 1, found 1\.5"):
        rule.level(1.5)


@pytest.mark.parametrize("keep", [0.0, -0.1, 1.0001, math.nan, math.inf])
def test_an_impossible_fraction_is_refused(keep: float) -> None:
    with pytest.raises(ValueError, match=f"^keep must be above 0 and at most 1, found {keep}"):
        Ranking(keep)
    with pytest.raises(
        ValueError, match=f"initial_keep must be above 0 and at most 1, fou.*{keep}"
    ):
        Ranking(0.1, initial_keep=keep)


@pytest.mark.parametrize("share", [-0.1, 1.0001, math.nan])
def test_an_impossible_share_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match=f"share_floor must lie within 0 to 1, found {share}"):
        Ranking(0.1, "global", share)


@pytest.mark.parametrize("scope", ["Global", "", None, 1, ["local"]])
def test_an_unknown_scope_is_refused(scope: object) -> None:
    with pytest.raises(ValueError, match="scope must be one of 'local', 'kind', 'global'; found"):
        Ranking(0.1, scope)  # type: ignore[arg-type]


# Cuts.


def cut_alone(rule: Cutting, scores: Tensor, cut: float) -> Settled:
    [settled] = rule.settle([Ranked(scores)], ScoreCut(cut))
    return settled


@given(st.integers(0, 2**32), st.floats(-2, 2, width=32))
def test_a_cut_keeps_what_is_above_it(seed: int, cut: float) -> None:
    scores = random_scores(seed)
    settled = cut_alone(Cutting(0.0, -1.0, floor=0), scores, cut)
    np.testing.assert_array_equal(settled.mask.numpy(), scores.numpy() > cut)
    assert settled.level == ScoreCut(cut)
    assert settled.kept == int(settled.mask.sum())


@given(st.integers(0, 2**32), st.floats(0.02, 0.98))
def test_a_cut_compares_what_is_squashed(seed: int, cut: float) -> None:
    scores = random_scores(seed)
    lifted = sigmoid(scores.numpy())
    mask = cut_alone(Cutting(0.1, 0.0, 0.0, torch.sigmoid), scores, cut).mask.numpy()
    certain = np.abs(lifted - cut) > 1e-6  # closer, float32 may round to either side
    np.testing.assert_array_equal(mask[certain], (lifted > cut)[certain])


def test_a_score_at_the_cut_is_not_above_it() -> None:
    scores = torch.tensor([[0.0, 1e-6, -1e-6]])
    expected = [[False, True, False]]
    assert cut_alone(Cutting(0.0, -1.0, 0), scores, 0.0).mask.tolist() == expected
    assert cut_alone(Cutting(0.5, 0.0, 0, torch.sigmoid), scores, 0.5).mask.tolist() == expected


@pytest.mark.parametrize(
    ("size", "floor", "least"),
    [(1024, 0.005, 6), (589_824, 0.005, 2950), (400, 0.01, 5), (10, 0.005, 1), (10, 0.0, 0)],
)
def test_the_floor_of_a_cut_keeps_a_fraction_and_one_more(
    size: int, floor: float, least: int
) -> None:
    assert Cutting(0.0, -1.0, floor).least_count(size) == least


@pytest.mark.parametrize("floor", [0.005, 0.1])
@pytest.mark.parametrize("squash", [torch.sigmoid, torch.clone])
def test_at_the_floor_the_highest_scores_stay(
    floor: float,
    squash: type[torch.sigmoid],  # type: ignore[valid-type]
) -> None:
    scores = random_scores()
    least = int(floor * 1200) + 1
    settled = cut_alone(Cutting(0.1, 0.0, floor, squash), scores, 50.0)
    np.testing.assert_array_equal(settled.mask.numpy(), first_largest(scores.numpy(), least))
    assert settled.at_floor
    assert settled.kept == least


def test_the_floor_ranks_scores_that_a_sigmoid_cannot_tell_apart() -> None:
    # In float32 the sigmoid of all of these is 0.
    scores = torch.linspace(-300, -200, 1200).reshape(30, 40)
    assert (torch.sigmoid(scores) == 0).all()
    mask = cut_alone(Cutting(0.1, 0.0, squash=torch.sigmoid), scores, 0.1).mask
    assert torch.nonzero(mask.reshape(-1)).reshape(-1).tolist() == list(range(1193, 1200))


def test_equal_scores_at_the_floor_are_kept_in_row_major_order() -> None:
    mask = cut_alone(Cutting(0.0, -1.0), torch.zeros(30, 40), 0.0).mask
    assert torch.nonzero(mask.reshape(-1)).reshape(-1).tolist() == list(range(7))


@pytest.mark.parametrize(("above", "binds"), [(0, True), (6, True), (7, False), (8, False)])
def test_the_floor_binds_only_where_fewer_are_above_the_cut(above: int, binds: bool) -> None:
    scores = torch.full((1200,), -1.0)
    scores[:above] = 1.0
    settled = cut_alone(Cutting(0.0, -1.0), scores.reshape(30, 40), 0.0)
    assert settled.at_floor == binds
    assert settled.kept == int(settled.mask.sum()) == max(above, 7)


def test_a_floor_of_zero_keeps_nothing() -> None:
    settled = cut_alone(Cutting(0.0, -1.0, floor=0), torch.full((30, 40), -1.0), 0.0)
    assert settled.kept == int(settled.mask.sum()) == 0
    assert not settled.at_floor


def test_every_matrix_has_a_floor_of_its_own() -> None:
    low, high = torch.full((30, 40), -1.0), torch.full((2, 3), 1.0)
    settled = Cutting(0.0, -1.0).settle([Ranked(low), Ranked(high), Ranked(-high)], ScoreCut(0.0))
    assert [(one.kept, one.at_floor) for one in settled] == [(7, True), (6, False), (1, True)]


@pytest.mark.parametrize("floor", [0.005, 0.3])
def test_a_cut_is_restored_from_its_level(floor: float) -> None:
    rule, scores = Cutting(0.1, 0.0, floor, torch.sigmoid), random_scores()
    for cut in (0.0, 0.5, 0.9):
        settled = cut_alone(rule, scores, cut)
        assert torch.equal(rule.restore(scores, settled.level), settled.mask)
        assert rule.overall_level([settled.level, settled.level], [3, 4], [1200, 7]) == ScoreCut(
            cut
        )


def test_levels_of_a_cut() -> None:
    rule = Cutting(0.2, -0.5)
    assert (rule.initial_level, rule.final_level) == (ScoreCut(-0.5), ScoreCut(0.2))
    assert rule.level(-3.0) == ScoreCut(-3.0)


@pytest.mark.parametrize("floor", [-0.1, 1.0, 2.0, math.nan])
def test_an_impossible_floor_is_refused(floor: float) -> None:
    with pytest.raises(ValueError, match=f"floor must be at least 0 and below 1, found {floor}"):
        Cutting(0.1, 0.0, floor)


@pytest.mark.parametrize("cut", [math.nan, math.inf, -math.inf])
def test_a_cut_is_finite(cut: float) -> None:
    with pytest.raises(ValueError, match=f"cut must be a finite number, found {cut}"):
        Cutting(cut, 0.0)


# Gates.


def test_open_gates_are_kept_and_closed_ones_are_not() -> None:
    scores = torch.tensor([[-9.0, CLOSED - 1e-3, CLOSED + 1e-3, 0.0, 9.0]])
    rule = OpenGates(closed=CLOSED)
    [settled] = rule.settle([Ranked(scores)], ScoreCut(0.0))
    assert settled.mask.tolist() == [[False, False, True, True, True]]
    assert settled.kept == 3
    assert not settled.at_floor
    assert torch.equal(settled.mask, expected_gates(scores) > 0)
    assert torch.equal(rule.restore(scores, settled.level), settled.mask)
    assert rule.initial_level == rule.final_level == rule.level(0.7) == ScoreCut(0.0)
    assert rule.overall_level([ScoreCut(0.0)], [3], [5]) == ScoreCut(0.0)


def learned(seed: int = 0) -> list[Ranked]:
    """Scores as L0 learns them, most gates open; no two are nearly equal."""
    spread = np.linspace(-5, 12, sum(rows * columns for rows, columns in SHAPES))
    shuffled = torch.from_numpy(np.random.default_rng(seed).permutation(spread)).float()
    parts = torch.split(shuffled, [rows * columns for rows, columns in SHAPES])
    return [
        Ranked(part.reshape(shape), kind)
        for part, shape, kind in zip(parts, SHAPES, KINDS, strict=True)
    ]


@given(st.integers(0, 10_000), st.floats(0.001, 0.99))
def test_shifted_gates_keep_exactly_the_fraction_in_the_end(seed: int, keep: float) -> None:
    ranked, rule = learned(seed), ShiftedGates(keep=keep, closed=CLOSED)
    settled = rule.settle(ranked, rule.final_level)
    arrays = [one.importance.numpy() for one in ranked]
    count = int(keep * sum(one.size for one in arrays))
    assert_masks(settled, first_largest_overall(list(arrays), count))
    assert sum(counts(settled)) == count
    for one, ranking in zip(settled, ranked, strict=True):
        assert torch.equal(rule.restore(ranking.importance, one.level), one.mask)


def test_the_level_of_shifted_gates_is_what_they_keep() -> None:
    rule = ShiftedGates(keep=0.1, closed=CLOSED)
    for fraction in (0.9, 0.4, 0.1):
        settled = rule.settle(learned(), KeepFraction(fraction))
        sizes = [one.mask.numel() for one in settled]
        overall = rule.overall_level([one.level for one in settled], counts(settled), sizes)
        assert overall.count(sum(sizes)) == sum(counts(settled))


def test_the_shift_sets_in_with_the_square_of_the_way() -> None:
    ranked, rule = learned(), ShiftedGates(keep=0.1, closed=CLOSED)
    together = np.sort(np.concatenate([one.importance.numpy().reshape(-1) for one in ranked]))
    for fraction in (1.0, 0.999, 0.55, 0.2, 0.1):
        [level] = {one.level for one in rule.settle(ranked, KeepFraction(fraction))}
        way = (1 - fraction) / 0.9
        highest_pruned = together[-int(fraction * together.size) - 1] if fraction < 1 else CLOSED
        assert level.value == pytest.approx(way**2 * (highest_pruned - CLOSED), abs=1e-4)


def test_shifted_gates_close_gradually() -> None:
    ranked, rule = learned(), ShiftedGates(keep=0.05, closed=CLOSED)
    kept = [
        sum(counts(rule.settle(ranked, KeepFraction(1 - 0.95 * way / 20)))) for way in range(21)
    ]
    total = sum(one.importance.numel() for one in ranked)
    assert kept[0] > 0.8 * total
    assert kept[-1] == int(0.05 * total)
    falls = -np.diff(kept) / total
    assert (falls > -0.01).all()
    assert falls.max() < 0.15


def test_a_shift_can_open_gates_too() -> None:
    # The penalty has closed more of them than it should have.
    ranked = [Ranked(one.importance - 10) for one in model()]
    rule = ShiftedGates(keep=0.5, closed=CLOSED)
    settled = rule.settle(ranked, rule.final_level)
    assert settled[0].level.value < 0
    total = sum(one.importance.numel() for one in ranked)
    assert sum(counts(settled)) == int(0.5 * total)


@pytest.mark.parametrize("keep", [0.0, 1.0, -0.1, 1.5, math.nan])
def test_gates_are_shifted_to_a_fraction_between_0_and_1(keep: float) -> None:
    with pytest.raises(ValueError, match=f"keep must be above 0 and below 1, found {keep}"):
        ShiftedGates(keep=keep, closed=CLOSED)


RULES: list[Rule] = [  # type: ignore[type-arg]
    Ranking(0.3),
    Ranking(0.3, "kind"),
    Ranking(0.3, "global", 0.2),
    Cutting(0.3, 0.0),
    OpenGates(closed=CLOSED),
    ShiftedGates(keep=0.3, closed=CLOSED),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_a_rule_neither_changes_nor_keeps_what_it_is_given(rule: Rule) -> None:  # type: ignore[type-arg]
    ranked = learned()
    before = [one.importance.clone() for one in ranked]
    settled = rule.settle(ranked, rule.final_level)
    assert all(torch.equal(one.importance, old) for one, old in zip(ranked, before, strict=True))
    again = rule.settle(ranked, rule.final_level)
    assert all(torch.equal(one.mask, other.mask) for one, other in zip(settled, again, strict=True))
