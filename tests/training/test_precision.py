"""Which arithmetic is taken, and that weights are trained in float32 whatever is."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from fineprune.errors import RecipeError
from fineprune.training import precision
from fineprune.training import run as run_module
from fineprune.training.models import load_with_head
from fineprune.training.precision import fastest_precision
from fineprune.training.recipe import parse_recipe, read_recipe
from fineprune.training.run import run
from tests.training.loop import dataset, plain
from tests.workspace import Workspace


def collate(rows: list[dict[str, Any]]) -> dict[str, Tensor]:
    return {name: torch.tensor([row[name] for row in rows]) for name in rows[0]}


def timed(monkeypatch: pytest.MonkeyPatch, low: float, exact: float = 1.0) -> list[torch.dtype]:
    """Puts a clock in the place of time: a step takes as long as its precision says."""
    seen: list[torch.dtype] = []

    def seconds(
        model: PreTrainedModel, batch: Mapping[str, Tensor], dtype: torch.dtype, device: object
    ) -> float:
        seen.append(dtype)
        return low if dtype == torch.bfloat16 else exact

    monkeypatch.setattr(precision, "_seconds", seconds)
    return seen


@pytest.mark.parametrize(
    ("low", "chosen"),
    [(0.5, "bfloat16"), (0.89, "bfloat16"), (0.95, "float32"), (1.0, "float32"), (1.6, "float32")],
)
def test_bfloat16_is_taken_where_it_is_clearly_faster(
    low: float, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = timed(monkeypatch, low)
    assert fastest_precision(plain(), dataset(), collate, 4) == chosen
    assert seen.count(torch.bfloat16) == seen.count(torch.float32) >= 3


def test_the_shortest_time_of_each_counts_and_the_first_one_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # float32 then bfloat16, in turns: a slow start, one lucky step of bfloat16, and a hiccup.
    times: Iterator[float] = iter([1.0, 0.01, 1.0, 1.2, 1.0, 0.7, 9.0, 9.0])
    monkeypatch.setattr(precision, "_seconds", lambda *_: next(times))
    assert fastest_precision(plain(), dataset(), collate, 4) == "bfloat16"
    times = iter([9.0, 0.01, 1.0, 1.2, 1.0, 1.3, 1.0, 1.1])
    assert fastest_precision(plain(), dataset(), collate, 4) == "float32"


@pytest.mark.parametrize("training", [True, False])
def test_measuring_leaves_no_trace(training: bool) -> None:
    model = plain(dropout=0.3).train(training)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    assert fastest_precision(model, dataset(), collate, 100) in ("float32", "bfloat16")
    torch.testing.assert_close(torch.rand(3), expected, rtol=0, atol=0)
    torch.testing.assert_close(dict(model.state_dict()), before, rtol=0, atol=0)
    assert all(p.grad is None for p in model.parameters())
    assert all(p.dtype == torch.float32 for p in model.parameters())
    assert model.training is training


def test_both_are_timed_as_they_are_trained() -> None:
    model, seen = plain(), []
    model.get_submodule("classifier").register_forward_hook(
        lambda module, args, output: seen.append((output.dtype, module.training))
    )
    fastest_precision(model.train(False), dataset(), collate, 4)
    assert set(seen) == {(torch.float32, True), (torch.bfloat16, True)}


# In a run.


@pytest.mark.parametrize("low", [0.5, 2.0])
def test_a_runs_recipe_says_what_was_taken(
    low: float, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed(monkeypatch, low)
    chosen = "bfloat16" if low < 1 else "float32"
    seen = dtypes_of_the_head(monkeypatch)
    recipe = parse_recipe(workspace.recipe(training__max_steps=2), "test")
    assert recipe.training.precision == "auto"
    run(recipe, tmp_path / "run")
    assert read_recipe(tmp_path / "run" / "recipe.yaml").training.precision == chosen
    assert seen == {getattr(torch, chosen)}


def dtypes_of_the_head(monkeypatch: pytest.MonkeyPatch) -> set[torch.dtype]:
    """What the head of the next run's model computes in while it trains."""
    seen: set[torch.dtype] = set()
    load = load_with_head

    def watched(*args: Any) -> PreTrainedModel:
        model = load(*args)

        def watch(module: nn.Module, inputs: object, output: Tensor) -> None:
            if module.training:
                seen.add(output.dtype)

        model.get_submodule("classifier").register_forward_hook(watch)
        return model

    monkeypatch.setattr(run_module, "load_with_head", watched)
    return seen


def test_a_resumed_run_keeps_what_was_taken(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = workspace.recipe(training__max_steps=4, training__save_every=2)
    recipe = parse_recipe(values, "test")
    timed(monkeypatch, 0.5)
    run(recipe, tmp_path / "run")
    measured = timed(monkeypatch, 2.0)  # by now float32 would be taken
    seen = dtypes_of_the_head(monkeypatch)
    for folder in ("checkpoint-4",):
        for file in sorted((tmp_path / "run" / folder).iterdir()):
            file.unlink()
        (tmp_path / "run" / folder).rmdir()
    run(recipe, tmp_path / "run", resume=True)
    assert measured == []
    assert seen == {torch.bfloat16}
    assert read_recipe(tmp_path / "run" / "recipe.yaml").training.precision == "bfloat16"


def test_a_precision_that_is_given_is_not_measured(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = timed(monkeypatch, 0.1)
    values = workspace.recipe(training__max_steps=1, training__precision="fp32")
    run(parse_recipe(values, "test"), tmp_path / "run")
    assert measured == []
    assert read_recipe(tmp_path / "run" / "recipe.yaml").training.precision == "float32"


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("fp32", "float32"),
        ("bf16", "bfloat16"),
        ("fp16", "float16"),
        ("float32", "float32"),
        ("bfloat16", "bfloat16"),
        ("float16", "float16"),
        ("auto", "auto"),
    ],
)
def test_names_of_precisions(given: str, meant: str, workspace: Workspace) -> None:
    recipe = parse_recipe(workspace.recipe(training__precision=given), "test")
    assert recipe.training.precision == meant


def test_a_name_of_no_precision(workspace: Workspace) -> None:
    with pytest.raises(RecipeError, match=r"training\.precision: .* found 'fp8'"):
        parse_recipe(workspace.recipe(training__precision="fp8"), "test")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("pruned", [False, True])
def test_a_checkpoint_in_half_precision_is_trained_in_float32(
    dtype: torch.dtype, pruned: bool, workspace: Workspace, tmp_path: Path
) -> None:
    # Updates of 1e-5 are below half the distance of neighbours in bfloat16 for weights around 0.1.
    folder = tmp_path / "encoder"
    folder.mkdir()
    for file in (workspace.folder / "encoder").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    stored = load_file(folder / "model.safetensors")
    low = {name: value.to(dtype) for name, value in stored.items()}
    save_file(low, folder / "model.safetensors", {"format": "pt"})
    config = (folder / "config.json").read_text(encoding="utf-8")
    name = str(dtype).removeprefix("torch.")
    (folder / "config.json").write_text(config.replace('"float32"', f'"{name}"'), encoding="utf-8")
    assert name in (folder / "config.json").read_text(encoding="utf-8")
    values = workspace.recipe(
        model=str(folder), training__learning_rate=1e-5, training__precision="float32"
    )
    if pruned:
        values["pruning"] = {"method": {"name": "magnitude", "keep": 0.5}}
    run(parse_recipe(values, "test"), tmp_path / "run")
    found = load_file(tmp_path / "run" / "model.safetensors")
    assert {value.dtype for value in found.values() if value.is_floating_point()} <= {
        torch.float32,
        torch.float64,  # levels
    }
    key = "embeddings.word_embeddings.weight"
    moved = found[f"bert.{key}"] - low[key].float()
    used = moved.abs().sum(1) > 0
    assert used.sum() > 20
    assert 0 < moved.abs().max() < 3e-4
    assert (found[f"bert.{key}"][used] != found[f"bert.{key}"][used].to(dtype).float()).any()
