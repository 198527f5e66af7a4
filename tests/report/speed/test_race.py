"""Engines that fail are left out and told of; the others go on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fineprune.report.rows import Run
from fineprune.report.speed import race as module
from fineprune.report.speed.process import EngineStoppedError
from fineprune.report.speed.race import Course, race
from fineprune.report.speed.records import Race, Timing
from fineprune.report.speed.rivals import RIVALS, Rival
from fineprune.report.speed.shapes import Shape
from fineprune.report.speed.subject import Subject
from tests.engine.zoo import build, save_packed

COURSE = Course([Shape(1, 8), Shape(1, 513)], threads=1, rounds=1, least_runs=1, least_seconds=0)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("race") / "model"
    return save_packed(build("bert", "question"), folder, "question").file


class CannotPrepare(Rival):
    packages: tuple[str, ...] = ()
    runs_with: tuple[str, ...] = ()

    def prepare(self, subject: Subject) -> Path:
        print("noise")
        raise RuntimeError("no such\noperator")

    def load(self, artifact: Path, shape: Shape | None, threads: int) -> Run:
        raise NotImplementedError


def test_engines_that_fail(
    file: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    rivals: Mapping[str, Rival] = {**RIVALS, "broken": CannotPrepare()}
    monkeypatch.setattr(module, "RIVALS", rivals)
    said: list[str] = []
    found = race(file, ["fineprune", "broken"], COURSE, said.append)
    assert capfd.readouterr() == ("", "")
    assert found.left_out == {
        "fineprune": (
            "stopped at 1x513: input_ids has 513 tokens a row; the model has positions for 512"
        ),
        "broken": "cannot be prepared: no such operator",
    }
    assert [(timing.engine, timing.shape) for timing in found.timings] == [
        ("fineprune", Shape(1, 8))
    ]
    assert "1x8: round 1 of 1, fineprune" in said
    with pytest.raises(EngineStoppedError, match="fineprune: stopped at 1x513"):
        found.require("fineprune")


def test_an_engine_of_another_interpreter(file: Path, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho no such module >&2\nexit 1\n", encoding="utf-8")
    python.chmod(0o755)
    course = Course([Shape(1, 8)], threads=1, rounds=1, pythons={"fineprune": python})
    found = race(file, ["fineprune"], course, lambda line: None)
    assert found.left_out == {"fineprune": "stopped at 1x8: no such module"}


def test_record() -> None:
    def timing(engine: str, shape: Shape, milliseconds: float) -> Timing:
        return Timing(engine, shape, milliseconds, 0.5, 1000, 0.01)

    timings = [timing("a", Shape(8, 16), 4.0), timing("b", Shape(8, 16), 2.0)]
    record: dict[str, Any] = Race(timings, {"c": "not there"}).record()
    assert record == {
        "shapes": {"8x16": {"a": 4.0, "b": 2.0}},
        "per_second": {"8x16": {"a": 2000.0, "b": 4000.0}},
        "deviation": {"8x16": {"a": 0.01, "b": 0.01}},
        "resident_bytes": {"8x16": {"a": 1000, "b": 1000}},
        "load_seconds": {"8x16": {"a": 0.5, "b": 0.5}},
        "left_out": {"c": "not there"},
    }
