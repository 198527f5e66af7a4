"""Every engine that is installed computes what the packed model does."""

import json
from pathlib import Path

from fineprune import pack
from fineprune.engine import _native
from fineprune.report.speed.race import Course, race, why_missing
from fineprune.report.speed.rivals import RIVALS
from fineprune.report.speed.shapes import Shape
from tests.engine.zoo import build, save_packed

# Of a random model, which is less tame than trained ones; int8 of activations is the coarsest.
FLOAT32, ROUNDED = 2e-5, 0.3


def test_outputs(tmp_path: Path) -> None:
    file = save_packed(build("bert", "question"), tmp_path / "model", "question").file
    # PyTorch in float32 takes its turn in the tests of the command line.
    names = [name for name in RIVALS if name != "torch" and not why_missing(name, {})]
    if not _native.has_bf16():
        names.remove("fineprune-bf16")
    course = Course([Shape(2, 16)], threads=1, rounds=1, least_runs=1, least_seconds=0)
    found = race(file, names, course, lambda line: None)
    assert found.left_out == {}
    assert [timing.engine for timing in found.timings] == names
    for timing in found.timings:
        rounded = timing.engine.endswith(("-bf16", "-int8"))
        assert timing.deviation < (ROUNDED if rounded else FLOAT32), timing.engine


def test_an_encoder_that_calls_itself_a_masked_language_model(tmp_path: Path) -> None:
    """MPNet's class of transformers has no fused attention either."""
    build("mpnet", "none").save_pretrained(tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    config = json.loads(path.read_text("utf-8")) | {"architectures": ["MPNetForMaskedLM"]}
    path.write_text(json.dumps(config), "utf-8")
    pack(tmp_path / "model", tmp_path / "packed")
    course = Course([Shape(2, 16)], threads=1, rounds=1, least_runs=1, least_seconds=0)
    found = race(tmp_path / "packed", ["fineprune", "torch"], course, lambda line: None)
    assert found.left_out == {}
    assert all(timing.deviation < FLOAT32 for timing in found.timings)
