from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from fineprune.errors import CheckpointError
from fineprune.pruning import (
    KeepFraction,
    Masks,
    Method,
    Movement,
    count,
    detach,
    finalize,
    load_model,
)
from fineprune.pruning.masks import has_masks
from tests.models import BERT, METHODS, Architecture, logits, mask_at_random


def assert_same_state(found: nn.Module, expected: nn.Module) -> None:
    state, other = found.state_dict(), expected.state_dict()
    assert list(state) == list(other)
    for name, tensor in other.items():
        assert state[name].dtype == tensor.dtype, name
        assert torch.equal(state[name], tensor), name


def test_a_masked_model_comes_back(architecture: Architecture, tmp_path: Path) -> None:
    model = architecture.build()
    masks = mask_at_random(model, Movement(keep=0.3, scope="global"))
    model.save_pretrained(tmp_path)
    loaded = load_model(tmp_path)
    assert type(loaded) is architecture.model
    assert not loaded.training
    assert_same_state(loaded, model)
    back = Masks.of(loaded)
    assert back.method == masks.method
    assert back.level == masks.level
    assert back.kept() == masks.kept()
    torch.testing.assert_close(logits(loaded), logits(model))


def test_every_method_s_masks_come_back(method: Method[Any], tmp_path: Path) -> None:
    model = BERT.build()
    masks = mask_at_random(model, method)
    model.save_pretrained(tmp_path)
    loaded = load_model(tmp_path)
    back = Masks.of(loaded)
    assert_same_state(loaded, model)
    assert back.method == method
    assert back.level == masks.level
    for one, other in zip(back, masks, strict=True):
        assert one.name == other.name
        assert torch.equal(one.multiplier(), other.multiplier())


def test_the_level_in_the_middle_of_training_comes_back(tmp_path: Path) -> None:
    model = BERT.build()
    masks = mask_at_random(model, Movement(keep=0.1))
    masks.set_level(KeepFraction(1 / 3))
    model.save_pretrained(tmp_path)
    assert Masks.of(load_model(tmp_path)).level == KeepFraction(1 / 3)


def test_a_bfloat16_model_comes_back_with_float32_scores(
    method: Method[Any], tmp_path: Path
) -> None:
    model: nn.Module = BERT.build()
    model.bfloat16()
    masks = mask_at_random(model, method)
    model.save_pretrained(tmp_path)  # type: ignore[operator]
    loaded = load_model(tmp_path)
    assert loaded.dtype == torch.bfloat16
    assert_same_state(loaded, model)
    assert Masks.of(loaded).kept() == masks.kept()


def test_included_and_excluded_layers_come_back(tmp_path: Path) -> None:
    model = BERT.build()
    masks = mask_at_random(model, METHODS["movement"], include=("bert.pooler.dense",))
    model.save_pretrained(tmp_path)
    back = Masks.of(load_model(tmp_path))
    assert back.kept() == masks.kept()
    assert "bert.pooler.dense.weight" in back.kept()


def test_a_loaded_model_is_as_good_as_the_one_that_was_saved(
    architecture: Architecture, tmp_path: Path
) -> None:
    model, plain = architecture.build(), architecture.build().state_dict()
    mask_at_random(model, METHODS["soft movement"])
    masked = logits(model)
    model.save_pretrained(tmp_path / "once")
    once = load_model(tmp_path / "once")
    once.save_pretrained(tmp_path / "twice")
    twice = load_model(tmp_path / "twice")
    torch.testing.assert_close(logits(finalize(twice)), masked)
    detach(once)
    assert list(once.state_dict()) == list(plain)
    for name, tensor in once.state_dict().items():
        assert torch.equal(tensor, plain[name]), name
    assert not hasattr(once.config, "pruning")


def test_a_finalized_model_comes_back_plain(method: Method[Any], tmp_path: Path) -> None:
    model = BERT.build()
    mask_at_random(model, method)
    kept = count(model).kept
    finalize(model).save_pretrained(tmp_path)
    loaded = load_model(tmp_path)
    assert not has_masks(loaded)
    assert_same_state(loaded, model)
    assert count(loaded).kept == kept


@pytest.mark.parametrize(
    "options", [{"method": "topK"}, {"threshold": 0.1}, {"method": "topK", "threshold": 0.1}]
)
@pytest.mark.parametrize("masked", [True, False])
def test_a_method_or_threshold_is_for_original_checkpoints_only(
    options: dict[str, object], masked: bool, tmp_path: Path
) -> None:
    model = BERT.build()
    if masked:
        mask_at_random(model, METHODS["movement"])
    model.save_pretrained(tmp_path)
    with pytest.raises(CheckpointError) as caught:
        load_model(tmp_path, **options)  # type: ignore[arg-type]
    message = str(caught.value)
    assert message.startswith(f"{tmp_path} was not written by the original movement-pruning code")
    assert message.endswith("leave --method and --threshold out")
    assert "\n" not in message
