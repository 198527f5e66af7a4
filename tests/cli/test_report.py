"""`fineprune report`."""

import builtins
from pathlib import Path
from typing import Any

import pytest

from fineprune import pack
from tests.cli.conftest import Command, assert_one_line, one_object, write
from tests.report.models import FRONTIER, save, weights
from tests.workspace import Workspace


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    tensors = weights()
    tensors["bert.encoder.layer.0.output.dense.weight"][0] = 0
    return save(tensors, tmp_path / "plain")


def test_a_run_and_what_becomes_of_it(
    fineprune: Command, workspace: Workspace, tmp_path: Path
) -> None:
    method = {"name": "movement", "keep": 0.25}
    recipe = write(workspace.recipe(pruning__method=method), tmp_path)
    run, folder, file = tmp_path / "run", tmp_path / "folder", tmp_path / "file"
    assert fineprune("train", recipe, "--output", run).code == 0
    assert fineprune("finalize", run, folder).code == 0
    pack(folder, file)
    counted = one_object(fineprune("count", run, "--json").out)

    said = fineprune("report", run, folder, file, "--against", workspace.teacher(), "--json")
    assert (said.code, said.err) == (0, "")
    found = one_object(said.out)
    assert [model["kind"] for model in found["models"]] == ["run", "folder", "packed file"]
    for model in found["models"]:
        assert model["prunable"] == counted["prunable"]
        assert {one["tensor"]: one["rows"] * one["columns"] for one in model["matrices"]} == {
            name: matrix["total"] for name, matrix in counted["matrices"].items()
        }
        assert model["metrics"].keys() == {"accuracy", "macro_f1"}
        assert model["base_model"] == str(workspace.folder / "encoder")
    for model in found["models"][:2]:
        assert model["kept"] == counted["kept"]
        assert model["density"] == counted["density"]
    first, *others = found["models"]
    assert [line["step"] for line in first["log"]] == list(range(1, 13))
    assert first["log"][-1]["density"] == counted["density"]
    assert first["log"][-1]["score_learning_rate"] is not None
    assert sum(first["scores"]["counts"]) == counted["prunable"]
    assert all(model["scores"] is None for model in others)
    # A text as long as those that matrices are timed with is longer than this model reads.
    assert found["frontiers"] == []
    assert all("64 tokens" in model["not_timed"] for model in found["models"])
    assert not (tmp_path / "report.html").exists()


def test_a_page_is_written(fineprune: Command, plain: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    said = fineprune("report", plain, "--output", page)
    assert (said.code, said.err) == (0, "")
    assert said.out == f"{page}: a page of {page.stat().st_size / 1e6:.2f} MB\n"
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_text_for_a_terminal(fineprune: Command, plain: Path) -> None:
    said = fineprune("report", plain, "--text")
    assert (said.code, said.err) == (0, "")
    assert "layer 0 feed-forward down" in said.out


def test_text_and_json_need_no_plotting_library(
    fineprune: Command, plain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = builtins.__import__

    def without(name: str, *arguments: Any, **keywords: Any) -> Any:
        if name.partition(".")[0] in ("matplotlib", "jinja2", "PIL"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name.partition(".")[0])
        return wanted(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without)
    for module in ("fineprune.report.page", "fineprune.report.page.render"):
        monkeypatch.delitem(__import__("sys").modules, module, raising=False)
    assert fineprune("report", plain, "--text").code == 0
    assert fineprune("report", plain, "--json").code == 0
    assert_one_line(fineprune, "report", plain, said='pip install "fineprune[report]"')


def test_what_is_wrong(fineprune: Command, plain: Path, tmp_path: Path) -> None:
    assert_one_line(fineprune, "report", "nowhere", said="nowhere is not there")
    assert_one_line(fineprune, "report", plain, plain, said="named twice")
    assert_one_line(fineprune, "report", plain, "--output", tmp_path, said="is a folder")
    assert_one_line(fineprune, "report", plain, "--against", tmp_path / "x", said="is not there")
    damaged = save(weights(), tmp_path / "damaged", frontier={**FRONTIER, "version": 7})
    assert_one_line(fineprune, "report", damaged, said="is of version 7")
    assert_one_line(fineprune, "report", said="MODEL")
    assert list(tmp_path.glob("*.html")) == []
