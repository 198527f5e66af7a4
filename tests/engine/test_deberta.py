"""What configs of DeBERTa may say."""

import json
from pathlib import Path
from typing import Any

import pytest

from fineprune import Engine, pack
from fineprune.engine.errors import UnsupportedModelError, WeightsError
from fineprune.errors import FinepruneError
from tests.engine.test_engine import assert_equals_pytorch, tokens, uneven_mask
from tests.engine.zoo import build, save_packed


@pytest.mark.parametrize(
    "changes",
    [
        {"share_att_key": True},
        {"pos_att_type": ["c2p"]},
        {"pos_att_type": ["p2c"]},
        {"pos_att_type": []},
        {"pos_att_type": "p2c|c2p"},
        {"position_buckets": -1},
        {"position_buckets": -1, "max_relative_positions": -1},
        {"position_buckets": 256, "max_relative_positions": -1},  # as published models have it
        {"relative_attention": False},
        {"norm_rel_ebd": "none"},
        {"position_biased_input": True, "type_vocab_size": 2},
        {"embedding_size": 16},
        {"conv_kernel_size": 0},
        {"conv_kernel_size": 5, "conv_act": "tanh"},
        {"num_hidden_layers": 1},
        {"layer_norm_eps": 0.1},
    ],
)
@pytest.mark.parametrize("head", ["sequence", "none"])
def test_configs(head: str, changes: dict[str, Any], tmp_path: Path) -> None:
    packed = save_packed(build("deberta-v2", head, **changes), tmp_path / "model", head)
    engine = Engine(packed.file, threads=2)
    ids = tokens(3, 150)
    assert_equals_pytorch(packed, engine, ids)
    assert_equals_pytorch(packed, engine, ids, uneven_mask(ids))


def test_distances_of_published_models(tmp_path: Path) -> None:
    """All of them, among 512 tokens."""
    changes = {"position_buckets": 256, "max_relative_positions": -1, "num_hidden_layers": 1}
    packed = save_packed(build("deberta-v2", "none", **changes), tmp_path / "model", "none")
    assert_equals_pytorch(packed, Engine(packed.file, threads=2), tokens(1, 512))


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({"pos_att_type": ["p2p"]}, UnsupportedModelError, "pos_att_type .* knows 'c2p', 'p2c'"),
        ({"pos_att_type": 3}, UnsupportedModelError, "pos_att_type in the model's config is 3"),
        ({"pos_att_type": [[]]}, UnsupportedModelError, "pos_att_type in the model's config is"),
        ({"conv_kernel_size": 4}, UnsupportedModelError, "is 4; expected an odd number below 256"),
        ({"conv_kernel_size": 257}, UnsupportedModelError, "is 257; expected an odd number"),
        ({"conv_kernel_size": 5}, WeightsError, r"has shape \(24, 24, 3\); expected \(24, 24, 5\)"),
        ({"conv_groups": 2}, UnsupportedModelError, "conv_groups .* is 2; the engine runs 1 only"),
        ({"conv_act": "swish"}, UnsupportedModelError, "conv_act in the model's config is 'swish'"),
        ({"max_relative_positions": 10**9}, UnsupportedModelError, "16 of 1000000000 distances"),
        ({"position_buckets": 10**9}, UnsupportedModelError, "1000000000 of 40 distances apart"),
        ({"position_buckets": 1}, UnsupportedModelError, "1 of 40 distances apart; expected 2 to"),
        ({"position_buckets": 18}, WeightsError, r"has shape \(32, 24\); expected \(36, 24\)"),
        ({"relative_attention": 1}, UnsupportedModelError, "expected true or false"),
        ({"share_att_key": "no"}, UnsupportedModelError, "share_att_key .* expected true or false"),
        ({"position_biased_input": True}, WeightsError, "has no tensor .*position_embeddings"),
    ],
)
def test_configs_that_are_refused(
    changes: dict[str, Any], kind: type[FinepruneError], said: str, tmp_path: Path
) -> None:
    build("deberta-v2", "none").save_pretrained(tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps(config), encoding="utf-8")
    pack(tmp_path / "model", tmp_path / "packed")
    with pytest.raises(kind, match=said) as caught:
        Engine(tmp_path / "packed")
    assert "\n" not in str(caught.value)
