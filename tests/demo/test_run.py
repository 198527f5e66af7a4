import json
from pathlib import Path

import pytest
from transformers import AutoModelForSequenceClassification

from fineprune.demo.run import QUESTIONS, run_demo
from fineprune.errors import CheckpointError, DataError, FolderTakenError
from tests.demo.homes import home, save
from tests.workspace import make_workspace


def test_the_whole_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = make_workspace(tmp_path).folder / "encoder"
    output = tmp_path / "demo"
    found = run_demo(output, model=str(model), patterns=save(home(), tmp_path / "patterns.json"))
    ours, *others = found.frontier.points
    assert (ours.engine, ours.precision) == ("fineprune", "fast")
    assert ours.density < 0.2
    assert (ours.bits, ours.embedding_bits) == (4, 4)
    assert "torch" in {one.engine for one in others}
    assert all(one.density == 1 and one.bytes > ours.bytes for one in others)
    assert all(0 <= one.metrics["accuracy"] <= 1 for one in found.frontier.points)
    assert ours.bytes == (output / "model.safetensors").stat().st_size
    plain = AutoModelForSequenceClassification.from_pretrained(output / "plain")
    assert plain.config.id2label == {0: "Alpha", 1: "Beta"}

    printed = capsys.readouterr().out
    for one in found.frontier.points:
        assert f"{one.metrics['accuracy']:.1%}" in printed
    assert [label for label, _ in found.answers] != []
    for question, (label, score) in zip(QUESTIONS, found.answers, strict=True):
        assert f"{question!r}: {label} ({score:.0%})" in printed

    assert str(found.page) in printed
    page = found.page.read_text("utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "What it brings" in page
    assert "How it was trained" in page
    record = json.loads((output / "pruned" / "frontier.json").read_text("utf-8"))
    assert record == found.frontier.record()


def test_what_stands_in_the_way_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(FolderTakenError, match="not empty"):
        run_demo(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_without_the_model_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="not installed"):
        run_demo(tmp_path / "demo", model="package:no_such_package/model")
    assert not (tmp_path / "demo").exists()


def test_without_patterns_nothing_is_written(tmp_path: Path) -> None:
    model = make_workspace(tmp_path).folder / "encoder"
    with pytest.raises(DataError, match="no file of sentence patterns"):
        run_demo(tmp_path / "demo", model=str(model), patterns=tmp_path / "missing")
    assert not (tmp_path / "demo").exists()
