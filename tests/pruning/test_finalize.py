import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import nn
from transformers import PreTrainedModel
from transformers.utils import logging as transformers_logging

from fineprune.errors import TargetError
from fineprune.pruning import Magnitude, Masks, Method, Movement, attach, count, finalize
from fineprune.pruning.masks import has_masks
from tests.models import BERT, METHODS, Architecture, in_blocks, logits, mask_at_random


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What `transformers` logs, which it keeps from the root logger, once more from the start."""
    logger = logging.getLogger("transformers")
    transformers_logging.warning_once.cache_clear()
    transformers_logging.info_once.cache_clear()
    level = logger.level
    logger.setLevel(logging.WARNING)  # whatever a test before has left
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)
    logger.setLevel(level)


def tensor_names(folder: Path) -> list[str]:
    with safe_open(folder / "model.safetensors", "pt") as file:
        return sorted(file.keys())


def test_finalized_equals_masked(architecture: Architecture, method: Method[Any]) -> None:
    model = architecture.build()
    dense = logits(model)
    mask_at_random(model, method)
    masked = logits(model)
    assert not torch.equal(masked, dense)
    assert finalize(model) is model
    assert not has_masks(model)
    assert torch.equal(logits(model), masked)


def test_weights_are_multiplied_by_their_masks(method: Method[Any]) -> None:
    model, plain = BERT.build(), BERT.build().state_dict()
    multipliers = {one.name: one.multiplier().float() for one in mask_at_random(model, method)}
    finalize(model)
    assert list(model.state_dict()) == list(plain)
    for name, tensor in model.state_dict().items():
        expected = plain[name] * multipliers[name] if name in multipliers else plain[name]
        assert torch.equal(tensor, expected), name


def test_the_same_parameters_stay_in_the_same_modules(architecture: Architecture) -> None:
    model = architecture.build()
    parameters = [(name, id(one)) for name, one in model.named_parameters()]
    classes = [type(module) for module in model.modules()]
    mask_at_random(model, Movement(keep=0.3))
    finalize(model)
    assert [(name, id(one)) for name, one in model.named_parameters()] == parameters
    assert [type(module) for module in model.modules()] == classes


def test_gates_are_those_of_evaluation_also_in_training_mode() -> None:
    model = BERT.build()
    mask_at_random(model, METHODS["l0"])
    masked = logits(model)
    model.train()
    finalize(model).eval()  # type: ignore[no-untyped-call]
    assert torch.equal(logits(model), masked)


def test_bfloat16_is_finalized_to_the_last_bit(method: Method[Any]) -> None:
    model: nn.Module = BERT.build()
    model.bfloat16()
    mask_at_random(model, method)
    masked = {name: one.weight.clone() for name, one in in_blocks(model).items()}
    finalize(model)
    for name, linear in in_blocks(model).items():
        assert linear.weight.dtype == torch.bfloat16
        assert torch.equal(linear.weight, masked[name]), name


def test_layers_that_share_a_weight_are_multiplied_once() -> None:
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    second.weight = first.weight
    model = nn.Sequential(first, second)
    masks = mask_at_random(model, METHODS["l0"], include=("*",))
    [one] = masks
    expected = one.weight * one.multiplier()
    finalize(model)
    assert torch.equal(first.weight, expected)
    assert first.weight is second.weight


def saved(model: PreTrainedModel, folder: Path) -> Path:
    model.save_pretrained(folder)
    return folder


def test_the_folder_is_that_of_a_plain_model(architecture: Architecture, tmp_path: Path) -> None:
    plain = saved(architecture.build(), tmp_path / "plain")
    model = architecture.build()
    mask_at_random(model, METHODS["soft movement"])
    folder = saved(finalize(model), tmp_path / "finalized")
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        path.name for path in plain.iterdir()
    )
    assert (folder / "config.json").read_text() == (plain / "config.json").read_text()
    assert tensor_names(folder) == tensor_names(plain)


def test_the_folder_loads_without_a_word(
    architecture: Architecture,
    tmp_path: Path,
    log: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = architecture.build()
    mask_at_random(model, METHODS["global movement"])
    answer = logits(model)
    folder = saved(finalize(model), tmp_path)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["model_type"] == architecture.config().model_type
    assert config["architectures"] == [architecture.model.__name__]
    assert "pruning" not in config

    # A warning of any kind would be an error here.
    loaded = architecture.auto.from_pretrained(folder)
    assert log.records == []
    assert capsys.readouterr().out == ""
    assert type(loaded) is architecture.model
    assert not hasattr(loaded.config, "pruning")
    torch.testing.assert_close(logits(loaded), answer)
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name


def test_the_log_that_must_stay_empty_is_heard(
    tmp_path: Path, log: pytest.LogCaptureFixture
) -> None:
    model = BERT.build()
    mask_at_random(model, METHODS["movement"])
    folder = saved(model, tmp_path)  # not finalized
    BERT.auto.from_pretrained(folder)
    assert "parametrizations.weight.original" in log.text


def test_a_method_can_be_attached_again() -> None:
    model = BERT.build()
    mask_at_random(model, Movement(keep=0.3))
    finalize(model)
    attach(model, Magnitude(keep=0.3))
    assert len(Masks.of(model)) == 12


def test_there_must_be_masks_to_apply() -> None:
    model = BERT.build()
    with pytest.raises(TargetError, match="BertForSequenceClassification has no masks"):
        finalize(model)


def test_the_config_says_what_was_prunable_where_that_is_not_the_usual(tmp_path: Path) -> None:
    model = BERT.build()
    mask_at_random(model, Movement(keep=0.3), include=("bert.pooler.dense",))
    config = json.loads(
        (saved(finalize(model), tmp_path) / "config.json").read_text(encoding="utf-8")
    )
    assert "pruning" not in config
    assert config["pruned"]["include"] == ["bert.pooler.dense"]


def test_pruning_once_more_says_anew_what_was_prunable() -> None:
    model = BERT.build()
    mask_at_random(model, Movement(keep=0.3), include=("bert.pooler.dense",))
    finalize(model)
    mask_at_random(model, Movement(keep=0.2))
    kept = Masks.of(model).kept()
    finalize(model)
    assert not hasattr(model.config, "pruned")
    assert {name: one.kept for name, one in count(model).matrices.items()} == kept


def test_frozen_masks_are_finalized_to_what_they_computed(method: Method[Any]) -> None:
    model = BERT.build()
    masks = mask_at_random(model, method)
    answer, kept = logits(model), sum(masks.kept().values())
    masks.freeze()
    finalize(model)
    assert not has_masks(model)
    assert torch.equal(logits(model), answer)
    assert count(model).kept == kept
