from pathlib import Path

import pytest
from transformers import AutoModelForSequenceClassification

from fineprune.demo.run import run_demo
from fineprune.errors import CheckpointError, FolderTakenError
from tests.workspace import make_workspace


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Two documented modules, easily told apart."""
    folder = tmp_path / "library"
    folder.mkdir()
    for module, words in {"alpha": "w1 w2 w3 w4", "beta": "w5 w6 w7 w8"}.items():
        functions = [f'def f{n}():\n    """{words} w{n % 30} number {n}"""\n' for n in range(60)]
        (folder / f"{module}.py").write_text("".join(functions), encoding="utf-8")
    return folder


def test_the_whole_path(tmp_path: Path, library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = make_workspace(tmp_path).folder / "encoder"
    output = tmp_path / "demo"
    dense, pruned, packed = rows = run_demo(output, model=str(model), library=library)
    assert dense.counts.density == 1
    assert 0 < packed.counts.kept <= pruned.counts.kept <= dense.counts.kept
    assert all(0 <= row.accuracy <= 1 for row in rows)
    assert packed.stored_bytes < pruned.stored_bytes == dense.stored_bytes
    assert packed.stored_bytes == (output / "model.safetensors").stat().st_size
    printed = capsys.readouterr().out
    for row in rows:
        assert f"{row.counts.kept:,}" in printed
        assert f"{row.accuracy:.1%}" in printed
        assert f"{row.stored_bytes / 1e6:.1f} MB" in printed
    assert "ms in PyTorch" in printed
    plain = AutoModelForSequenceClassification.from_pretrained(output / "plain")
    assert plain.config.id2label == {0: "alpha", 1: "beta"}


def test_what_stands_in_the_way_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(FolderTakenError, match="not empty"):
        run_demo(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_without_the_model_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="not installed"):
        run_demo(tmp_path / "demo", model="package:no_such_package/model")
    assert not (tmp_path / "demo").exists()
