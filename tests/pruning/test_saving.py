"""What `save_pretrained` of a masked model writes is a plain model to everybody else."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from transformers import PreTrainedModel

from fineprune.pruning import (
    L0,
    Fisher,
    KeepFraction,
    Masks,
    Method,
    Movement,
    attach,
    count,
    detach,
    load_model,
)
from fineprune.pruning.masks import has_masks
from tests.models import BERT, METHODS, Architecture, logits, mask_at_random

FIXTURES = Path(__file__).parents[1] / "fixtures" / "0dd543d" / "methods"


def loaded_by_anybody(folder: Path, kind: Any) -> PreTrainedModel:
    """The model as `transformers` alone loads it; nothing may be missing or of another size."""
    model, report = kind.from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["mismatched_keys"]
    assert isinstance(model, PreTrainedModel)
    assert not has_masks(model)
    return model.eval()  # type: ignore[no-untyped-call, no-any-return]


def state_of(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def assert_same_state(found: nn.Module, expected: nn.Module) -> None:
    state, other = found.state_dict(), expected.state_dict()
    assert list(state) == list(other)
    for name, tensor in other.items():
        assert state[name].dtype == tensor.dtype, name
        assert torch.equal(state[name], tensor), name


@pytest.mark.parametrize("frozen", [False, True])
def test_anybody_loads_what_the_masked_model_computes(
    method: Method[Any], frozen: bool, tmp_path: Path
) -> None:
    model = BERT.build()
    masks = mask_at_random(model, method)
    if frozen:
        masks.freeze()
    answer = logits(model)
    model.save_pretrained(tmp_path)
    for kind in (BERT.auto, type(model)):
        torch.testing.assert_close(logits(loaded_by_anybody(tmp_path, kind)), answer)


def test_anybody_loads_every_architecture(architecture: Architecture, tmp_path: Path) -> None:
    model = architecture.build()
    mask_at_random(model, Movement(keep=0.3, scope="global"))
    answer = logits(model)
    model.save_pretrained(tmp_path)
    plain = loaded_by_anybody(tmp_path, architecture.auto)
    torch.testing.assert_close(logits(plain), answer)


@pytest.mark.parametrize("frozen", [False, True])
def test_the_same_folder_is_the_masked_model(
    method: Method[Any], frozen: bool, tmp_path: Path
) -> None:
    model = BERT.build()
    masks = mask_at_random(model, method)
    if frozen:
        masks.freeze()
    model.save_pretrained(tmp_path)
    loaded = load_model(tmp_path)
    assert_same_state(loaded, model)
    back = Masks.of(loaded)
    assert back.method == method
    assert back.frozen == frozen
    assert back.level == masks.level
    assert back.kept() == masks.kept()
    for one, other in zip(back, masks, strict=True):
        assert one.mask.kind == other.mask.kind
        assert torch.equal(one.multiplier(), other.multiplier())
    assert torch.equal(logits(loaded), logits(model))


def test_a_model_in_training_is_saved_as_it_is_in_eval_mode(tmp_path: Path) -> None:
    model = BERT.build()
    mask_at_random(model, METHODS["l0"]).draw(0)
    answer = logits(model)
    model.train()
    model.save_pretrained(tmp_path)
    assert model.training
    torch.testing.assert_close(logits(loaded_by_anybody(tmp_path, BERT.auto)), answer)


def test_what_is_saved_is_the_mask_as_it_is_not_what_scores_say(tmp_path: Path) -> None:
    model = BERT.build()
    masks = mask_at_random(model, Movement(keep=0.3))
    for scores in masks.scores():
        nn.init.normal_(scores)  # as between two updates
    answer, kept = logits(model), [one.mask.kept.clone() for one in masks]
    model.save_pretrained(tmp_path)
    loaded = load_model(tmp_path)
    assert all(
        torch.equal(one.mask.kept, other) for one, other in zip(Masks.of(loaded), kept, strict=True)
    )
    torch.testing.assert_close(logits(loaded), answer)
    torch.testing.assert_close(logits(loaded_by_anybody(tmp_path, BERT.auto)), answer)


def test_what_a_controller_and_gradients_left_comes_back(tmp_path: Path) -> None:
    model = BERT.build()
    masks = mask_at_random(model, Fisher(keep=0.3))
    model.save_pretrained(tmp_path / "fisher")
    back = Masks.of(load_model(tmp_path / "fisher"))
    for one, other in zip(back, masks, strict=True):
        assert one.mask.second_moment is not None
        assert other.mask.second_moment is not None
        assert torch.equal(one.mask.second_moment, other.mask.second_moment)
    model = BERT.build()
    masks = mask_at_random(model, L0(keep=0.3))
    start = masks.method.controller
    assert start is not None
    masks.steering = start.start(0.25)
    model.save_pretrained(tmp_path / "l0")
    assert Masks.of(load_model(tmp_path / "l0")).steering == start.start(0.25)


@pytest.mark.parametrize("name", METHODS)
def test_the_file_fits_a_model_that_was_masked_alike(name: str, tmp_path: Path) -> None:
    model, other = BERT.build(), BERT.build(seed=7)
    masks = mask_at_random(model, METHODS[name])
    model.save_pretrained(tmp_path)
    attach(other, METHODS[name])
    other.load_state_dict(state_of(tmp_path))  # strictly
    assert_same_state(other, model)
    assert Masks.of(other).kept() == masks.kept()
    assert torch.equal(logits(other), logits(model))


@pytest.mark.parametrize("name", METHODS)
def test_a_file_of_frozen_masks_fits_frozen_ones(name: str, tmp_path: Path) -> None:
    model, other = BERT.build(), BERT.build(seed=7)
    mask_at_random(model, METHODS[name]).freeze()
    model.save_pretrained(tmp_path)
    attach(other, METHODS[name]).freeze()
    other.load_state_dict(state_of(tmp_path))
    assert torch.equal(logits(other), logits(model))


def test_a_file_from_before_the_freeze_fits_frozen_masks_too(tmp_path: Path) -> None:
    # What restores the best checkpoint of a run, after masks were frozen.
    model = BERT.build()
    masks = mask_at_random(model, Movement(keep=0.3))
    model.save_pretrained(tmp_path)
    answer = logits(model)
    masks.freeze()
    model.load_state_dict(state_of(tmp_path))
    assert not masks.frozen
    assert torch.equal(logits(model), answer)


def test_a_plain_weight_too_many_is_not_forgiven(tmp_path: Path) -> None:
    model = BERT.build()
    mask_at_random(model, METHODS["movement"])
    model.save_pretrained(tmp_path)
    state = {**state_of(tmp_path), "bert.encoder.layer.0.attention.self.weight": torch.ones(1)}
    with pytest.raises(RuntimeError, match=r"Unexpected key.*attention\.self\.weight"):
        model.load_state_dict(state)


def test_a_plain_model_that_was_loaded_from_it_is_saved_as_one(tmp_path: Path) -> None:
    model = BERT.build()
    masks = mask_at_random(model, Movement(keep=0.3), include=("bert.pooler.dense",))
    kept = masks.kept()
    model.save_pretrained(tmp_path / "masked")
    plain = loaded_by_anybody(tmp_path / "masked", BERT.auto)
    plain.save_pretrained(tmp_path / "plain")
    note = json.loads((tmp_path / "plain" / "config.json").read_text(encoding="utf-8"))
    assert "pruning" in note  # which nobody took out
    again = load_model(tmp_path / "plain")
    assert not has_masks(again)
    assert torch.equal(logits(again), logits(plain))
    # It still says what was prunable.
    assert {name: one.kept for name, one in count(again).matrices.items()} == kept


def test_saving_in_the_middle_of_training_and_in_parts(tmp_path: Path) -> None:
    model = BERT.build()
    masks = mask_at_random(model, Movement(keep=0.1))
    model.save_pretrained(tmp_path / "before")
    masks.set_level(KeepFraction(1 / 3))
    answer = logits(model)
    model.save_pretrained(tmp_path / "parts", max_shard_size="5KB")
    assert (tmp_path / "parts" / "model.safetensors.index.json").is_file()
    torch.testing.assert_close(logits(loaded_by_anybody(tmp_path / "parts", BERT.auto)), answer)
    loaded = load_model(tmp_path / "parts")
    assert Masks.of(loaded).level == KeepFraction(1 / 3)
    assert_same_state(loaded, model)


def test_a_state_that_was_gathered_elsewhere_is_saved_with_its_own_weights(tmp_path: Path) -> None:
    # As the trainer does where the model is sharded.
    model, other = BERT.build(), BERT.build(seed=7)
    mask_at_random(model, Movement(keep=0.3))
    mask_at_random(other, Movement(keep=0.3), seed=5)
    model.save_pretrained(tmp_path, state_dict=other.state_dict())
    plain = loaded_by_anybody(tmp_path, BERT.auto)
    torch.testing.assert_close(logits(plain), logits(other))


@pytest.mark.parametrize("method", [path.name for path in sorted(FIXTURES.iterdir())])
def test_a_folder_of_the_first_version_is_saved_as_today(method: str, tmp_path: Path) -> None:
    source = tmp_path / "old"
    shutil.copytree(FIXTURES / method / "model", source)
    expected = json.loads((FIXTURES / method / "expected.json").read_text(encoding="utf-8"))
    assert not any(name.endswith(".kept") for name in state_of(source))
    old = load_model(source)
    kept = {name: one["kept"] for name, one in expected["count"]["matrices"].items()}
    assert Masks.of(old).kept() == kept
    old.save_pretrained(tmp_path / "new")
    new = load_model(tmp_path / "new")
    assert_same_state(new, old)
    assert Masks.of(new).kept() == kept
    assert Masks.of(new).level == Masks.of(old).level
    inputs = torch.tensor(expected["input_ids"])
    plain = loaded_by_anybody(tmp_path / "new", type(old))
    with torch.no_grad():
        torch.testing.assert_close(plain(input_ids=inputs).logits, torch.tensor(expected["logits"]))


class Wrapper(nn.Module):
    """A model that holds one of transformers, as a SentenceTransformer does."""

    def __init__(self, inner: PreTrainedModel) -> None:
        super().__init__()
        self.inner = inner
        self.head = nn.Linear(2, 2)


@pytest.mark.parametrize(
    ("include", "exclude"),
    [
        ((), ()),
        (("inner.bert.pooler.dense",), ("inner.*.query",)),
        (("head", "inner.classifier"), ("*.layer.1.*",)),
    ],
)
def test_a_model_inside_of_another_is_saved_as_one(
    include: tuple[str, ...], exclude: tuple[str, ...], tmp_path: Path
) -> None:
    inner = BERT.build()
    model = Wrapper(inner)
    masks = attach(model, Movement(keep=0.3), include=include, exclude=exclude)
    for scores in masks.scores():
        nn.init.normal_(scores)
    masks.set_level(KeepFraction(0.3))
    answer = logits(inner)
    inner.save_pretrained(tmp_path)
    torch.testing.assert_close(logits(loaded_by_anybody(tmp_path, BERT.auto)), answer)
    loaded = load_model(tmp_path)
    assert_same_state(loaded, inner)
    detach(model)
    assert "save_pretrained" not in vars(inner)
    assert not hasattr(inner.config, "pruning")
