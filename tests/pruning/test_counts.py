from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from fineprune.errors import TargetError
from fineprune.pruning import (
    Counts,
    KeepFraction,
    Magnitude,
    MatrixCount,
    Method,
    Movement,
    SoftMovement,
    Threshold,
    attach,
    count,
    finalize,
    load_model,
)
from tests.models import ARCHITECTURES, BERT, Architecture, in_blocks, mask_at_random


def test_arithmetic() -> None:
    counts = Counts({"a": MatrixCount(10, 100), "b": MatrixCount(0, 300)}, encoder_total=1000)
    assert counts.kept == 10
    assert counts.prunable == 400
    assert counts.density == 0.025
    assert counts.encoder_kept == 610  # what is not pruned is kept
    assert counts.encoder_density == 0.61


def test_a_dense_model_is_kept_whole(architecture: Architecture) -> None:
    model = architecture.build()
    counts = count(model)
    sizes = {f"{name}.weight": one.weight.numel() for name, one in in_blocks(model).items()}
    assert {name: one.total for name, one in counts.matrices.items()} == sizes
    assert {name: one.kept for name, one in counts.matrices.items()} == sizes
    assert list(counts.matrices) == list(sizes)
    assert counts.density == counts.encoder_density == 1.0


def test_the_encoder_of_bert_by_hand() -> None:
    # Per block: four matrices of 16 x 16, two of 16 x 24; biases; two LayerNorms.
    weights = 4 * 16 * 16 + 2 * 16 * 24
    others = 4 * 16 + 24 + 16 + 2 * 2 * 16
    counts = count(BERT.build())
    assert counts.prunable == 2 * weights
    assert counts.encoder_total == 2 * (weights + others)


def test_albert_s_shared_block_is_counted_once() -> None:
    [albert] = [one for one in ARCHITECTURES if one.name == "albert"]
    model = albert.build()
    weights = 4 * 16 * 16 + 2 * 16 * 24
    dense = count(model)
    assert len(dense.matrices) == 6
    assert dense.prunable == weights
    assert dense.encoder_total == weights + 4 * 16 + 24 + 16 + 2 * 2 * 16
    mask_at_random(model, Movement(keep=0.25))
    pruned = count(model)
    assert (pruned.kept, pruned.prunable) == (weights // 4, weights)
    assert pruned.encoder_total == dense.encoder_total


def test_layers_that_share_a_weight_are_counted_once() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c, self.d = (nn.Linear(2, 2, bias=False) for _ in range(4))
            self.d.weight = self.a.weight
            nn.init.constant_(self.a.weight, 1.0)

    model = nn.Sequential(nn.ModuleList([Block()]))
    names = ["0.0.a.weight", "0.0.b.weight", "0.0.c.weight"]
    plain = count(model)
    assert list(plain.matrices) == names
    assert (plain.prunable, plain.encoder_total) == (12, 12)
    masks = attach(model, Movement())
    masks.set_level(KeepFraction(0.5))
    masked = count(model)
    assert list(masked.matrices) == names
    assert (masked.kept, masked.prunable, masked.encoder_total) == (6, 12, 12)


def test_masked_and_finalized_models_have_the_same_counts(
    architecture: Architecture, method: Method[Any]
) -> None:
    model = architecture.build()
    total = count(model).encoder_total
    masks = mask_at_random(model, method)
    masked = count(model)
    assert masked.encoder_total == total
    for one in masks:
        kept = int(np.count_nonzero(one.multiplier().numpy()))
        assert masked.matrices[one.name].kept == kept
        assert masked.matrices[one.name].total == one.weight.numel()
    finalized = count(finalize(model))
    assert finalized.kept == masked.kept
    assert finalized.prunable == masked.prunable
    assert finalized.encoder_total == total
    assert finalized.encoder_kept == masked.encoder_kept
    assert {name: one.kept for name, one in finalized.matrices.items()} == {
        name: one.kept for name, one in masked.matrices.items()
    }


def test_a_masked_weight_that_is_zero_counts_by_its_mask() -> None:
    model = BERT.build()
    nn.init.zeros_(next(iter(in_blocks(model).values())).weight)
    attach(model, Movement())
    assert count(model).density == 1.0


def test_matrices_at_the_floor_are_reported() -> None:
    model = BERT.build()
    masks = attach(model, SoftMovement(final_lambda=1.0))
    for place, scores in enumerate(masks.scores()):
        nn.init.constant_(scores, -9.0 if place % 2 else 9.0)
    masks.set_level(masks.method.final_level)
    found = list(count(model).matrices.values())
    assert [one.at_floor for one in found] == [False, True] * 6
    assert all(one.kept == one.total for one in found if not one.at_floor)
    # 0.5% of 256 or of 384 weights, and one more.
    assert [one.kept for one in found if one.at_floor] == [2] * 6


def test_without_a_floor_none_is_at_it() -> None:
    model = BERT.build()
    masks = attach(model, Threshold(floor=0))
    for scores in masks.scores():
        nn.init.constant_(scores, -9.0)
    masks.set_level(masks.method.final_level)
    counts = count(model)
    assert counts.kept == 0
    assert not any(one.at_floor for one in counts.matrices.values())


def test_a_matrix_that_was_included_counts_as_part_of_the_encoder() -> None:
    model = BERT.build()
    before = count(model)
    attach(model, Magnitude(), include=["bert.pooler.dense"], exclude=["*.query"])
    counts = count(model)
    assert "bert.pooler.dense.weight" in counts.matrices
    assert counts.encoder_total == before.encoder_total + 16 * 16
    assert counts.prunable == before.prunable + 16 * 16 - 2 * 16 * 16
    assert counts.encoder_kept == counts.encoder_total


def test_zeros_of_either_sign_are_pruned() -> None:
    model = BERT.build()
    name, linear = next(iter(in_blocks(model).items()))
    with torch.no_grad():
        linear.weight[0] = 0.0
        linear.weight[1] = -0.0
    matrix = count(model).matrices[f"{name}.weight"]
    assert (matrix.kept, matrix.total) == (14 * 16, 16 * 16)


def test_a_model_with_nothing_to_count_is_refused() -> None:
    with pytest.raises(TargetError, match="Linear has no weights to prune"):
        count(nn.Linear(2, 2))


@pytest.mark.parametrize(
    ("include", "exclude"),
    [
        (["bert.pooler.dense"], []),
        ([], ["*.query", "*.layer.1.*"]),
        (["classifier"], ["*.intermediate.dense"]),
    ],
)
def test_finalizing_changes_no_count_whatever_was_prunable(
    include: list[str], exclude: list[str], tmp_path: Path
) -> None:
    model = BERT.build()
    masks = attach(model, Movement(keep=0.1), include=include, exclude=exclude)
    for scores in masks.scores():
        nn.init.normal_(scores)
    masks.set_level(KeepFraction(0.1))
    masked = count(model)
    for folder in ("masked", "finalized"):
        model.save_pretrained(tmp_path / folder)
        plain = type(model).from_pretrained(tmp_path / folder)
        assert count(plain) == count(load_model(tmp_path / folder)) == masked
        if folder == "masked":
            finalize(model)
            assert count(model) == masked


def test_of_two_prunings_the_later_says_what_is_prunable(tmp_path: Path) -> None:
    model = BERT.build()
    mask_at_random(model, Movement(keep=0.3), include=("bert.pooler.dense",))
    finalize(model)
    mask_at_random(model, Movement(keep=0.2), include=("classifier",))
    model.save_pretrained(tmp_path)
    plain = type(model).from_pretrained(tmp_path)
    assert count(plain).matrices.keys() == count(model).matrices.keys()
    assert "classifier.weight" in count(plain).matrices
