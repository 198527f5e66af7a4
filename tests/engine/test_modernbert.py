"""What configs of ModernBERT may say, texts of any length, and memory that grows with them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fineprune import Engine, pack
from fineprune.engine.errors import UnsupportedModelError
from tests.engine.test_engine import assert_equals_pytorch, tokens, uneven_mask
from tests.engine.zoo import Packed, build, save_packed

LONGEST = 8192


def modernbert(folder: Path, head: str = "token", **changes: Any) -> Packed:
    return save_packed(build("modernbert", head, **changes), folder / "model", head)


@pytest.mark.parametrize(
    "changes",
    [
        {"local_attention": 2},
        {"local_attention": 7},
        {"local_attention": 64},
        {"global_attn_every_n_layers": 1},
        {"layer_types": ["sliding_attention"] * 3},
        {"norm_bias": True, "attention_bias": True, "mlp_bias": True, "classifier_bias": True},
        {"norm_eps": 0.1, "hidden_activation": "relu", "classifier_activation": "relu"},
        {"rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 77.0}}},
    ],
)
@pytest.mark.parametrize("head", ["sequence", "token"])
def test_configs(head: str, changes: dict[str, Any], tmp_path: Path) -> None:
    packed = modernbert(tmp_path, head, **changes)
    engine = Engine(packed.file, threads=2)
    ids = tokens(3, 150)
    assert_equals_pytorch(packed, engine, ids, uneven_mask(ids))


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_pooling_of_classifiers(pooling: str, tmp_path: Path) -> None:
    packed = modernbert(tmp_path, "sequence", classifier_pooling=pooling)
    ids = tokens(4, 30)
    assert_equals_pytorch(packed, Engine(packed.file, threads=1), ids, uneven_mask(ids))


def saved(folder: Path, **changes: Any) -> Path:
    """The packed file of a model whose config was changed; None takes a key out."""
    build("modernbert", "none").save_pretrained(folder / "model")
    path = folder / "model" / "config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(
        json.dumps({key: value for key, value in config.items() if value is not None}), "utf-8"
    )
    pack(folder / "model", folder / "packed")
    return folder / "packed"


def test_older_configs(tmp_path: Path) -> None:
    """Published models count layers, and have their angles under other keys."""
    of_today = saved(tmp_path / "today")
    older = saved(
        tmp_path / "older",
        layer_types=None,
        rope_parameters=None,
        global_attn_every_n_layers=2,
        global_rope_theta=160000.0,
        local_rope_theta=10000.0,
    )
    ids = tokens(1, 60)
    found, expected = (
        Engine(file, threads=1).run(ids)["last_hidden_state"] for file in (older, of_today)
    )
    np.testing.assert_array_equal(found, expected)
    packed = Packed(older, "none")
    assert_equals_pytorch(packed, Engine(older, threads=1), ids)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"local_attention": 1}, "local_attention in the model's config is 1; expected 2 to"),
        ({"local_attention": 10**12}, "local_attention in the model's config is 1000000000000"),
        ({"local_attention": "wide"}, "local_attention in the model's config is 'wide'"),
        ({"layer_types": ["full_attention"]}, "expected 'full_attention', 'sliding_attention' for"),
        ({"layer_types": ["full_attention", "chunked", "chunked"]}, "'chunked'"),
        ({"layer_types": [[], [], []]}, "layer_types in the model's config are"),
        ({"layer_types": None, "global_attn_every_n_layers": 0}, "is 0; expected 1 or more"),
        ({"max_position_embeddings": 0}, "max_position_embeddings .* is 0; expected 1 to 65,536"),
        ({"max_position_embeddings": 10**9}, "is 1000000000; expected 1 to 65,536"),
        ({"norm_bias": "yes"}, "norm_bias in the model's config is 'yes'; expected true or false"),
        (
            {"rope_parameters": {"full_attention": {"rope_type": "yarn", "rope_theta": 1e4}}},
            "the engine runs rope_type 'default' only",
        ),
        (
            {"rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 0.0}}},
            "rope_theta in the model's config is 0.0; expected a number above 1",
        ),
        (
            {"rope_parameters": {"full_attention": {"rope_theta": float("nan")}}},
            "rope_theta in the model's config is nan",
        ),
        ({"num_attention_heads": 8}, "size 3 .*no halves"),
    ],
)
def test_configs_that_are_refused(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match=said) as caught:
        Engine(saved(tmp_path, **changes))
    assert "\n" not in str(caught.value)


def test_the_longest_text(tmp_path: Path) -> None:
    packed = modernbert(tmp_path, max_position_embeddings=LONGEST, local_attention=128)
    # Angles of positions so far out differ in the last bits of their frequencies.
    ids = tokens(1, LONGEST)
    found = Engine(packed.file, threads=2).run(ids)["logits"]
    expected = packed.expected(input_ids=ids)["logits"]
    assert np.abs(found - expected).max() <= 1e-3 * np.abs(expected).max()


def test_memory_does_not_grow_with_the_square(tmp_path: Path) -> None:
    """Two heads' scores of 8,192 tokens would be 512 MB."""
    packed = modernbert(tmp_path, max_position_embeddings=LONGEST)
    code = f"""
import resource
import numpy as np
from fineprune import Engine
engine = Engine({str(packed.file)!r}, threads=2)
def peak(tokens):
    engine.run(np.full((1, tokens), 5))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before = peak(512)
print(peak({LONGEST}) - before)
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert float(result.stdout) < 64
