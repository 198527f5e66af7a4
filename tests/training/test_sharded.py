"""`fully_shard` in two processes, in a bare loop, ends as one process does."""

import os
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from transformers import PreTrainedModel

from fineprune import Masks, Pruner, finalize, parameter_groups
from fineprune.pruning import L0, Fisher, Magnitude, Method, Movement, SoftMovement
from tests.training.loop import METHODS, SCHEDULE, STEPS, dataset, masked
from tests.training.processes import exit_codes, free_port

SHARDED: dict[str, Method] = {  # type: ignore[type-arg]
    "global magnitude": Magnitude(keep=0.2, scope="global"),
    "movement": Movement(keep=0.2),
    "soft movement": SoftMovement(keep=0.2),
    "soft movement by its penalty": METHODS["soft movement"],
    "fisher": Fisher(keep=0.2),
    "l0": L0(keep=0.2),
    "l0 by its penalty": METHODS["l0"],
}

WAYS = (("adam", 0.5), ("sgd", None))
"""Optimizers, and when masks freeze."""


def learn(
    model: PreTrainedModel,
    optimizer_name: str,
    rank: int,
    processes: int,
    freeze_after: float | None = None,
) -> list[float]:
    """Trains on its share of each batch of 8; the losses are those of the share."""
    kind = torch.optim.AdamW if optimizer_name == "adam" else torch.optim.SGD
    groups = parameter_groups(model, learning_rate=1e-2, score_learning_rate=1e-2)
    optimizer = kind(groups, weight_decay=0.0)
    pruner = Pruner(
        model, optimizer, total_steps=STEPS, schedule=SCHEDULE, freeze_after=freeze_after
    )
    rows, losses = dataset(), []
    for step in range(STEPS):
        first = 8 * (step % 3)
        batch = rows[first + rank : first + 8 : processes]
        inputs = {name: torch.tensor(values) for name, values in batch.items()}
        loss = model(**inputs).loss + pruner.penalty()
        loss.backward()
        optimizer.step()
        pruner.step()
        optimizer.zero_grad()
        losses.append(float(_whole(loss.detach())))
    return losses


def _whole(tensor: Tensor) -> Tensor:
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def state(model: nn.Module) -> dict[str, Tensor]:
    return {
        name: _whole(value.detach()).clone().contiguous()
        for name, value in model.state_dict().items()
    }


def learn_sharded(rank: int, port: int, folder: Path) -> None:
    """One of two processes: all methods, one after the other; leaves what each ends with."""
    folder.mkdir()
    os.environ |= {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=2)
    for name, method in SHARDED.items():
        for optimizer, freeze_after in WAYS:
            model = masked(method).train()
            for layer in model.base_model.encoder.layer:
                fully_shard(layer)
            fully_shard(model)
            losses = learn(model, optimizer, rank, 2, freeze_after)
            assert any(isinstance(p, DTensor) for p in model.parameters())
            masks = Masks.of(model)
            kept = {one.name: one.mask.kept for one in masks}
            found = {
                **state(model),
                **{f"kept.{key}": value for key, value in kept.items()},
                "losses": torch.tensor(losses),
                "density": torch.tensor(masks.density()),
            }
            save_file(found, folder / f"{name}-{optimizer}-{freeze_after}")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folders of two processes that trained every method."""
    folder, port = tmp_path_factory.mktemp("sharded"), free_port()
    folders = folder / "first", folder / "second"
    codes = exit_codes(*[(learn_sharded, rank, port, folders[rank]) for rank in (0, 1)])
    assert codes == [0, 0]
    return folders


@pytest.mark.parametrize(("optimizer", "freeze_after"), WAYS)
@pytest.mark.parametrize("name", SHARDED)
def test_sharded_as_in_one_process(
    name: str, optimizer: str, freeze_after: float | None, left: tuple[Path, Path]
) -> None:
    model = masked(SHARDED[name]).train()
    losses = learn(model, optimizer, 0, 1, freeze_after)
    first, second = (load_file(folder / f"{name}-{optimizer}-{freeze_after}") for folder in left)
    shares = torch.stack([first.pop("losses"), second.pop("losses")])
    torch.testing.assert_close(second, first, rtol=0, atol=0)
    torch.testing.assert_close(shares.mean(0), torch.tensor(losses), rtol=1e-4, atol=1e-5)
    masks = Masks.of(model)
    assert float(first.pop("density")) == pytest.approx(masks.density())
    for one in masks:
        assert torch.equal(first.pop(f"kept.{one.name}"), one.mask.kept), one.name
    expected = state(model)
    if freeze_after is not None:  # `fully_shard` puts scores back that were released
        first = {key: value for key, value in first.items() if not key.endswith(".scores")}
    assert first.keys() == expected.keys()
    # The softmax of attention takes no notice of a key's bias: its gradient is rounding alone,
    # which Adam divides by its own size.
    told = {key for key in expected if not key.endswith("key.bias")}
    assert len(expected) - len(told) == len(model.base_model.encoder.layer)
    for key in told:
        torch.testing.assert_close(first[key], expected[key], rtol=1e-3, atol=1e-5)
    assert finalize(model) is model
