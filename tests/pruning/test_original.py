"""Checkpoints of the original movement-pruning code."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file
from torch import Tensor

from fineprune.errors import CheckpointError
from fineprune.pruning import (
    L0,
    Magnitude,
    Masks,
    Method,
    Movement,
    SoftMovement,
    Threshold,
    count,
    finalize,
    load_model,
)
from fineprune.pruning.masks import has_masks
from tests.oracles import Array, first_largest_overall
from tests.pruning.checkpoints import (
    Damage,
    assert_is_an_exploit,
    configured,
    cut,
    damaged,
    exploited,
    refusal,
    removed,
    written,
)

GOLDEN = (
    "masked_bert_topK",
    "masked_bert_sigmoied_threshold",
    "masked_bert_magnitude",
    "masked_bert_l0",
)

CONFIG = {
    "architectures": ["MaskedBertForSequenceClassification"],
    "model_type": "masked_bert",
    "vocab_size": 30,
    "hidden_size": 8,
    "intermediate_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 20,
    "type_vocab_size": 2,
    "id2label": {"0": "a", "1": "b", "2": "c"},
    "label2id": {"a": 0, "b": 1, "c": 2},
    "mask_init": "constant",
    "mask_scale": 0.0,
    "pruning_method": "topK",
}

WEIGHTS = "pytorch_model.bin"
DENSE = "bert.encoder.layer.0.output.dense"


def original_state(*, scores: bool = True) -> dict[str, Tensor]:
    """Tensors under the original's names: scores beside each weight of an encoder's block."""
    torch.manual_seed(0)
    sizes: dict[str, Any] = {key: one for key, one in CONFIG.items() if isinstance(one, int)}
    config = transformers.BertConfig(**sizes, id2label={0: "a", 1: "b", 2: "c"})
    bert = transformers.BertForSequenceClassification(config)
    state = {name: torch.randn_like(tensor) for name, tensor in bert.state_dict().items()}
    pruned = [name for name, one in state.items() if ".layer." in name and one.dim() == 2]
    assert len(pruned) == 12
    if scores:
        for name in pruned:
            layer = name.removesuffix("weight")
            state[f"{layer}mask_scores"] = torch.randn_like(state[name])
    # A buffer that the code of that time saved.
    state["bert.embeddings.position_ids"] = torch.arange(20).expand(1, -1).clone()
    return state


def original_folder(folder: Path, state: dict[str, Tensor], **config: Any) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({**CONFIG, **config}), encoding="utf-8")
    torch.save(state, folder / WEIGHTS)
    return folder


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the original's training script wrote it."""
    return original_folder(tmp_path_factory.mktemp("original"), original_state())


def restated(**changes: Any) -> Damage:
    """Changes tensors of the file; a value of None takes one away."""

    def damage(folder: Path) -> None:
        state = torch.load(folder / WEIGHTS, weights_only=True)
        state = {**state, **changes}
        kept = {name: tensor for name, tensor in state.items() if tensor is not None}
        torch.save(kept, folder / WEIGHTS)

    return damage


@pytest.fixture(params=GOLDEN)
def golden(request: pytest.FixtureRequest, shared: Path) -> Path:
    return shared / "fixtures" / "emmental" / str(request.param)


def load_golden(folder: Path, expected: dict[str, Any]) -> transformers.PreTrainedModel:
    return load_model(folder, method=expected["pruning_method"], threshold=expected["threshold"])


def expectations(folder: Path) -> dict[str, Any]:
    expected: dict[str, Any] = json.loads((folder / "expected_counts.json").read_text())
    return expected


@pytest.mark.shared
def test_counts_of_the_original_code(golden: Path) -> None:
    expected = expectations(golden)
    counts = count(load_golden(golden, expected))
    kept = {name: one.kept for name, one in counts.matrices.items()}
    assert kept == expected["kept_weights_per_matrix"]
    assert counts.encoder_total == expected["encoder_parameters"]
    assert counts.encoder_kept == expected["remaining_parameters"]
    assert 100 * counts.encoder_density == pytest.approx(expected["remaining_percent"], rel=1e-12)


@pytest.mark.shared
def test_finalized_weights_of_the_original_code(golden: Path, tmp_path: Path) -> None:
    model = finalize(load_golden(golden, expectations(golden)))
    expected = load_file(golden / "expected_plain_bert.safetensors")
    state = model.state_dict()
    assert set(state) == set(expected)
    for name, tensor in expected.items():
        torch.testing.assert_close(state[name], tensor)
        assert torch.equal(state[name] == 0, tensor == 0), name

    model.save_pretrained(tmp_path)
    loaded = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert type(loaded) is transformers.BertForSequenceClassification
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert config["model_type"] == "bert"
    assert config["id2label"] == {"0": "a", "1": "b", "2": "c"}
    assert {"pruning", "pruning_method", "mask_init", "mask_scale"}.isdisjoint(config)


@pytest.mark.shared
def test_the_method_of_the_config_is_taken_where_none_is_given(golden: Path) -> None:
    expected = expectations(golden)
    counts = count(load_model(golden, threshold=expected["threshold"]))
    assert counts.encoder_kept == expected["remaining_parameters"]


@pytest.mark.parametrize(
    ("name", "threshold", "method", "scores"),
    [
        ("topK", 0.15, Movement(keep=0.15), True),
        ("movement", 0.15, Movement(keep=0.15), True),
        ("global_topK", 0.03, Movement(keep=0.03, scope="global"), True),
        ("sigmoied_threshold", 0.4, SoftMovement(final_lambda=0.0, cut=0.4), True),
        ("threshold", 0.5, Threshold(cut=0.5), True),
        ("l0", None, L0(final_lambda=0.0), True),
        ("magnitude", 0.2, Magnitude(keep=0.2), False),
        ("global_magnitude", 0.2, Magnitude(keep=0.2, scope="global"), False),
    ],
)
def test_every_method_is_read(
    name: str, threshold: float | None, method: Method[Any], scores: bool, tmp_path: Path
) -> None:
    state = original_state(scores=scores)
    folder = original_folder(tmp_path / "model", state, pruning_method=None)
    model = load_model(folder, method=name, threshold=threshold)
    assert type(model) is transformers.BertForSequenceClassification
    assert not model.training
    masks = Masks.of(model)
    assert masks.method == method
    assert len(masks) == 12
    # Where matrices compete, the fraction of them all is exact to a weight.
    assert masks.level.value == pytest.approx(method.final_level.value, abs=2e-3)
    for one in masks:
        assert torch.equal(one.weight, state[one.name])
        if scores:
            assert one.mask.scores is not None
            layer = one.name.removesuffix("weight")
            assert torch.equal(one.mask.scores, state[f"{layer}mask_scores"])


@pytest.mark.parametrize(("name", "scores"), [("global_topK", True), ("global_magnitude", False)])
@pytest.mark.parametrize("threshold", [0.03, 0.3])
def test_global_masks_of_the_original_code(
    name: str, scores: bool, threshold: float, tmp_path: Path
) -> None:
    state = original_state(scores=scores)
    folder = original_folder(tmp_path / "model", state)
    model = load_model(folder, method=name, threshold=threshold)
    names = [one.name for one in Masks.of(model)]
    ranked: list[Array] = [
        state[f"{one.removesuffix('weight')}mask_scores"].numpy()
        if scores
        else np.abs(state[one].numpy())
        for one in names
    ]
    kept = first_largest_overall(ranked, int(threshold * sum(one.size for one in ranked)))
    counts = count(model)
    plain = finalize(model).state_dict()
    for one, mask in zip(names, kept, strict=True):
        np.testing.assert_array_equal(plain[one].numpy(), state[one].numpy() * mask)
        assert counts.matrices[one].kept == int(mask.sum())


def test_a_loaded_original_is_saved_and_loaded_with_its_level(
    original: Path, tmp_path: Path
) -> None:
    model = load_model(original, threshold=0.15)
    model.save_pretrained(tmp_path)
    again = load_model(tmp_path)  # nobody retypes a threshold
    assert has_masks(again)
    assert Masks.of(again).kept() == Masks.of(model).kept()


def test_a_body_without_a_head_is_read(tmp_path: Path) -> None:
    state = {
        name.removeprefix("bert."): tensor
        for name, tensor in original_state().items()
        if name.startswith("bert.")
    }
    folder = original_folder(tmp_path / "model", state, architectures=["MaskedBertModel"])
    assert type(load_model(folder, threshold=0.15)) is transformers.BertModel


ARGUMENTS: dict[str, tuple[dict[str, Any], str]] = {
    "no threshold": ({}, "movement needs the threshold it was trained to; give --threshold"),
    "an unknown method": (
        {"method": "bottomK", "threshold": 0.1},
        "name: no method is called 'bottomK'; choose one of ",
    ),
    "another method": (
        {"method": "magnitude", "threshold": 0.1},
        "the weights do not fit magnitude on a plain BERT: 12 are missing or left over, such as ",
    ),
    "a fraction of zero": ({"threshold": 0.0}, "keep must be above 0 and at most 1, found 0.0"),
    "a percentage": ({"threshold": 15.0}, "keep must be above 0 and at most 1, found 15.0"),
    "no number": ({"threshold": float("nan")}, "keep must be above 0 and at most 1, found nan"),
    "a cut that is no number": (
        {"method": "threshold", "threshold": float("nan")},
        "cut must be a finite number, found nan",
    ),
}


@pytest.mark.parametrize("case", ARGUMENTS)
def test_wrong_arguments(case: str, original: Path) -> None:
    options, expected = ARGUMENTS[case]
    assert refusal(original, **options).startswith(f"FOLDER: {expected}")


def test_another_method_is_suggested(original: Path) -> None:
    message = refusal(original, method="magnitude", threshold=0.1)
    assert message.endswith("was it trained with another method?")


def test_a_method_must_come_from_somewhere(original: Path, tmp_path: Path) -> None:
    folder = damaged(original, tmp_path / "model", configured(pruning_method=None))
    assert refusal(folder, threshold=0.1) == (
        "FOLDER: a checkpoint of the original code, and its config names no method; give --method"
    )


def replaced_by_a_folder(model: Path) -> None:
    (model / WEIGHTS).unlink()
    (model / WEIGHTS).mkdir()


UNREADABLE = (
    f"FOLDER/{WEIGHTS} cannot be read as a file of tensors alone, which is all that is safe to load"
)
NO_BERT = "FOLDER/config.json describes no BERT: "
UNFIT = "FOLDER: the weights do not fit movement on a plain BERT: "

DAMAGE: dict[str, tuple[Damage, str]] = {
    "no weights": (
        removed(WEIGHTS),
        f"FOLDER is a checkpoint of the original code, but holds no {WEIGHTS}",
    ),
    "empty weights": (written(WEIGHTS, b""), UNREADABLE),
    "weights that are text": (written(WEIGHTS, b"version https://git-lfs"), UNREADABLE),
    "half of the weights": (cut(WEIGHTS, keep=2000), UNREADABLE),
    "weights without an end": (cut(WEIGHTS, keep=-1), UNREADABLE),
    "a folder for weights": (
        replaced_by_a_folder,
        UNREADABLE,
    ),
    "a list": (
        lambda folder: torch.save([torch.ones(1)], folder / WEIGHTS),
        f"FOLDER/{WEIGHTS} must hold a state_dict: names and tensors, nothing else",
    ),
    "numbers": (
        lambda folder: torch.save({"a": 5}, folder / WEIGHTS),
        f"FOLDER/{WEIGHTS} must hold a state_dict: names and tensors, nothing else",
    ),
    "names that are numbers": (
        lambda folder: torch.save({5: torch.ones(1)}, folder / WEIGHTS),
        f"FOLDER/{WEIGHTS} must hold a state_dict: names and tensors, nothing else",
    ),
    "no tensors": (lambda folder: torch.save({}, folder / WEIGHTS), UNFIT),
    "a missing weight": (
        restated(**{f"{DENSE}.weight": None}),
        f"{UNFIT}1 are missing or left over, such as '{DENSE}.parametrizations.weight.original'",
    ),
    "missing scores": (
        restated(**{f"{DENSE}.mask_scores": None}),
        f"{UNFIT}1 are missing or left over, such as '{DENSE}.parametrizations.weight.0.scores'",
    ),
    "a tensor too many": (
        restated(**{"ex\ntra": torch.ones(1)}),
        f"{UNFIT}1 are missing or left over, such as 'ex\\ntra'",
    ),
    "scores of what is not pruned": (
        restated(**{"classifier.mask_scores": torch.ones(3, 8)}),
        f"{UNFIT}1 are missing or left over, such as 'classifier.mask_scores'",
    ),
    "a weight of another shape": (restated(**{f"{DENSE}.weight": torch.ones(2, 2)}), UNFIT),
    "a sparse weight": (restated(**{f"{DENSE}.weight": torch.ones(8, 12).to_sparse()}), UNFIT),
    "a size that does not divide": (configured(hidden_size=9), NO_BERT),
    "a size that is text": (configured(hidden_size="large"), NO_BERT),
    "an unknown activation": (configured(hidden_act="none"), NO_BERT),
    "no layers": (configured(num_hidden_layers=0), f"{NO_BERT}TargetError: "),
    "fewer layers": (configured(num_hidden_layers=1), UNFIT),
    "an unknown architecture": (
        configured(architectures=["MaskedNoSuchModel"]),
        "FOLDER/config.json: architectures: expected a model class of transformers",
    ),
    "an architecture that is a number": (
        configured(architectures=5),
        "FOLDER/config.json: architectures: expected a model class of transformers",
    ),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_checkpoint(case: str, original: Path, tmp_path: Path) -> None:
    damage, expected = DAMAGE[case]
    folder = damaged(original, tmp_path / "model", damage)
    assert refusal(folder, threshold=0.15).startswith(expected)


@pytest.mark.parametrize("as_archive", [True, False])
def test_code_in_a_checkpoint_is_not_run(as_archive: bool, original: Path, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    folder = damaged(original, tmp_path / "model", exploited(marker, as_archive=as_archive))
    assert refusal(folder, threshold=0.15) == UNREADABLE
    assert not marker.exists()
    assert_is_an_exploit(folder, marker)


@pytest.mark.parametrize("as_archive", [True, False])
def test_mutated_weights_load_or_are_refused(
    as_archive: bool, original: Path, tmp_path: Path
) -> None:
    folder = damaged(original, tmp_path / "model", lambda folder: None)
    torch.save(
        torch.load(folder / WEIGHTS, weights_only=True),
        folder / WEIGHTS,
        _use_new_zipfile_serialization=as_archive,
    )
    content = (folder / WEIGHTS).read_bytes()
    dice = random.Random(0)
    refusals = []
    for _ in range(80):
        mutated = bytearray(content[: dice.choice([len(content), dice.randrange(len(content))])])
        for _ in range(dice.choice([1, 3, 10])):
            # Most of the structure stands at the beginning.
            mutated[dice.randrange(min(len(mutated), 4000))] = dice.randrange(256)
        (folder / WEIGHTS).write_bytes(mutated)
        try:
            load_model(folder, threshold=0.15)
        except CheckpointError as error:
            refusals.append(str(error))
    assert len(refusals) > 40
    assert all(len(message.splitlines()) == 1 for message in refusals)
