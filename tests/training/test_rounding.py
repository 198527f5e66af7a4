"""Training on rounded weights: on packing's own grid, with the weights behind them moving."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fineprune import L0, Fisher, SoftMovement, attach, pack, unpack
from fineprune.errors import RecipeError, TrainingError
from fineprune.packing.quantize import OPTIMAL_STEPS, to_tensor
from fineprune.pruning.callback import PruningCallback
from fineprune.pruning.checkpoint import load_model
from fineprune.pruning.finalize import finalize_folder
from fineprune.pruning.masks import Masks
from fineprune.pruning.pruner import Pruner
from fineprune.pruning.schedule import PruningSchedule
from fineprune.training.evaluate import evaluate
from fineprune.training.recipe import parse_recipe
from fineprune.training.rounding import Quantization, RoundingCallback, rounded
from fineprune.training.run import run
from tests.workspace import Workspace, make_model

MOVING = ("embeddings.word_embeddings.weight", "encoder.layer.0.attention.self.query.weight")
SCHEDULE = {"warmup_steps": 1, "initial_warmup": 0, "final_warmup": 1}


@given(
    arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 9)),
           elements=st.floats(-100, 100, width=32)),
    st.sampled_from(sorted(OPTIMAL_STEPS)),
)  # fmt: skip
def test_the_grid_is_that_of_packing(matrix: np.ndarray, bits: int) -> None:
    found = rounded(torch.from_numpy(matrix), bits).numpy()
    np.testing.assert_array_equal(found, to_tensor(matrix, bits).to_array())


def test_an_outlier_coarsens_its_row_alone() -> None:
    matrix = torch.randn(4, 400, generator=torch.Generator().manual_seed(0))
    matrix[2, 7] = 1000.0
    found = rounded(matrix, 8)
    np.testing.assert_array_equal(found.numpy(), to_tensor(matrix.numpy(), 8).to_array())
    assert found[2, 7] == pytest.approx(1000, rel=0.01)


def events(callback: RoundingCallback, model: torch.nn.Module) -> tuple[Any, Any]:
    nothing: Any = SimpleNamespace()
    begin = lambda: callback.on_step_begin(nothing, nothing, nothing, model=model)  # noqa: E731
    end = lambda: callback.on_pre_optimizer_step(nothing, nothing, nothing)  # noqa: E731
    return begin, end


def test_the_gradient_at_the_rounded_weights_moves_those_behind() -> None:
    model = make_model()
    before = {name: one.clone() for name, one in model.state_dict().items()}
    begin, end = events(RoundingCallback(Quantization(2, 3), PruningCallback()), model)
    begin()
    inside = {name: one.clone() for name, one in model.state_dict().items()}
    ids = torch.tensor([[2, 5, 9, 3]])
    model(input_ids=ids, labels=torch.tensor([1])).loss.backward()
    gradients = {name: one.grad.clone() for name, one in model.named_parameters()}  # type: ignore[union-attr]
    end()
    for name, bits in zip(MOVING, (3, 2), strict=True):
        name = f"bert.{name}"
        torch.testing.assert_close(inside[name], rounded(before[name], bits), rtol=0, atol=0)
        assert not torch.equal(inside[name], before[name])
    assert all(torch.equal(one, before[name]) for name, one in model.state_dict().items())
    torch.optim.SGD(model.parameters(), lr=0.5).step()
    for name, one in model.named_parameters():
        torch.testing.assert_close(one.detach(), before[name] - 0.5 * gradients[name])
    # A plain model that holds the rounded weights has the same gradients.
    plain = make_model()
    plain.load_state_dict(inside)
    plain(input_ids=ids, labels=torch.tensor([1])).loss.backward()
    for name, one in plain.named_parameters():
        torch.testing.assert_close(one.grad, gradients[name])


def test_what_a_mask_hides_keeps_its_value() -> None:
    model = make_model()
    attach(model, SoftMovement(keep=0.3))
    masks = Masks.of(model)
    with torch.no_grad():
        for score in masks.scores():
            score.normal_(generator=torch.Generator().manual_seed(0))
    masks.set_level(masks.method.final_level)
    before = [one.weight.detach().clone() for one in masks]
    begin, end = events(RoundingCallback(Quantization(4, 4), PruningCallback()), model)
    begin()
    for one, weight in zip(masks, before, strict=True):
        kept = one.mask.kept
        assert torch.equal(one.weight[~kept], weight[~kept])
        product = rounded(torch.where(kept, weight, 0), 4)
        assert torch.equal(one.weight[kept], product[kept])
    end()
    assert all(torch.equal(one.weight, weight) for one, weight in zip(masks, before, strict=True))


def test_recovery_is_where_the_level_stands_still() -> None:
    model = make_model()
    attach(model, Fisher(keep=0.2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    schedule = PruningSchedule(warmup_steps=10, initial_warmup=1, final_warmup=2)
    found = []
    for step in range(101):
        pruner = Pruner(
            model, optimizer, total_steps=100, schedule=schedule, densities=(0.5, 0.2), step=step
        )
        level = [pruner._levels[pruner._place()](at) for at in (step, step + 1)]
        found.append(pruner.recovers)
        if pruner.recovers:
            assert level[0] in (pytest.approx(0.5), pytest.approx(0.2))
    first, second = pruner.stages
    expected = [first.end <= step <= second.begin or step >= second.end for step in range(101)]
    assert found == expected
    assert 0 < sum(found) < 101


def recipe(workspace: Workspace, **changes: Any) -> dict[str, Any]:
    return workspace.recipe(
        **{
            "teacher": workspace.teacher(),
            "pruning__method": {"name": "fisher", "keep": 0.3},
            "pruning__schedule": SCHEDULE,
            "quantize": {"bits": 3, "embedding_bits": 4},
            "training__precision": "float32",
            "training__save_every": 3,
            **changes,
        }
    )


def test_packing_gives_what_was_trained_and_scored(workspace: Workspace, tmp_path: Path) -> None:
    values = recipe(workspace, training__freeze_embeddings=True)
    parsed = parse_recipe(values, "test")
    trained = run(parsed, tmp_path / "run")
    finalize_folder(tmp_path / "run", tmp_path / "plain")
    pack(tmp_path / "plain", tmp_path / "packed", bits=3, embedding_bits=4)
    unpack(tmp_path / "packed", tmp_path / "unpacked")
    plain, unpacked = (load_model(tmp_path / name) for name in ("plain", "unpacked"))
    callback = RoundingCallback(Quantization(3, 4), PruningCallback())
    with callback.rounding(plain):
        for name, one in unpacked.named_parameters():
            if one.ndim == 2:
                assert torch.equal(plain.get_parameter(name), one), name
    assert evaluate(tmp_path / "unpacked", parsed).metrics == trained.metrics


def test_it_changes_the_run_and_only_from_the_recovery_on(
    workspace: Workspace, tmp_path: Path
) -> None:
    weights = []
    for number, quantize in enumerate((None, {"bits": 2, "embedding_bits": 2})):
        values = recipe(workspace, training__keep_checkpoints=9)
        values["quantize"] = quantize
        run(parse_recipe(values, "test"), tmp_path / f"{number}")
        folders = (tmp_path / f"{number}" / f"checkpoint-{step}" for step in (6, 12))
        weights.append([(one / "model.safetensors").read_bytes() for one in folders])
    assert weights[0][0] == weights[1][0], "step 6 of 12: the level moves to the end of step 8"
    assert weights[0][1] != weights[1][1]


def test_a_method_that_scales_weights_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    values = recipe(workspace, pruning__method={"name": "l0", "keep": 0.3})
    with pytest.raises(TrainingError, match="quantize: l0 multiplies what it keeps by gates"):
        run(parse_recipe(values, "test"), tmp_path / "run")
    assert L0.scales_weights


@pytest.mark.parametrize(
    ("quantize", "said"),
    [
        ({"bits": 9}, "quantize.*bits is 9; it must be 2 to 8, 16 or 32"),
        ({"bit": 4}, "quantize.bit: unknown key; did you mean bits"),
    ],
)
def test_no_such_precision(quantize: dict[str, int], said: str, workspace: Workspace) -> None:
    with pytest.raises(RecipeError, match=said):
        parse_recipe(recipe(workspace, quantize=quantize), "test")
