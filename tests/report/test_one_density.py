"""Density is the same number wherever it is counted."""

from pathlib import Path

import pytest

from fineprune.engine import Engine
from fineprune.packing import read_packed
from fineprune.pruning import Magnitude, attach, count, finalize, load_model
from fineprune.pruning.targets import find_targets
from fineprune.report.accuracy import density_of
from fineprune.report.density import masks_of
from fineprune.report.source import open_model
from tests.engine import zoo


@pytest.mark.parametrize("include", [False, True], ids=["layers", "and the head"])
@pytest.mark.parametrize("architecture", zoo.ARCHITECTURES)
def test_the_same_everywhere(architecture: str, include: bool, tmp_path: Path) -> None:
    model = zoo.build(architecture, "sequence", density=1.0)
    masks = attach(
        model,
        Magnitude(keep=0.25),
        include=["*classifier*"] if include else [],
        exclude=[find_targets(model)[0].name],
    )
    masks.set_level(masks.method.final_level)
    finalize(model).save_pretrained(tmp_path / "plain")
    expected = count(load_model(tmp_path / "plain"))
    assert expected.density == pytest.approx(0.25, abs=0.01)

    opened = open_model(tmp_path / "plain", tmp_path / "scratch", bits=32)
    found = dict(masks_of(opened))
    assert {name: int(mask.sum()) for name, mask in found.items()} == {
        name: one.kept for name, one in expected.matrices.items()
    }
    packed = read_packed(opened.file)
    assert packed.provenance["kept"] == expected.kept
    assert packed.provenance["prunable"] == expected.prunable
    if not include:  # the engine plans for the matrices of layers alone
        plan = Engine(opened.file, threads=1).plan()
        assert density_of(packed.config, plan) == expected.density
