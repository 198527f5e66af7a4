"""Which arithmetic trains fastest here: measured, because no feature of a CPU tells.

bfloat16 is twice as fast as float32 on AMD's Zen 4, and half again as slow on Intel servers
without AMX, which have the same instructions.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any, cast

import torch
from accelerate.utils import broadcast_object_list
from datasets import Dataset
from torch import Tensor
from transformers import PreTrainedModel

from fineprune.training.recipe import Precision

_ROUNDS = 3
_LEAST_GAIN = 0.9
"""Of float32's time that bfloat16 may take: for less of a gain, exact arithmetic stays."""


def fastest_precision(
    model: PreTrainedModel,
    dataset: Dataset,
    collate: Callable[[list[dict[str, Any]]], Mapping[str, Tensor]],
    batch_size: int,
) -> Precision:
    """`"bfloat16"` where that trains clearly faster than float32, else `"float32"`.

    A few steps of both, in turns, on the first rows; the shortest time of each counts. Leaves
    weights, gradients and random numbers as they were. The first of several processes decides.

    Args:
        model: with its head, on the CPU, in training mode or not.
        dataset: training features, one row an example.
        collate: makes a padded batch of rows.
        batch_size: rows of one batch.
    """
    device = torch.accelerator.current_accelerator() or torch.device("cpu")
    model.to(device)  # type: ignore[arg-type]
    rows = [dataset[place] for place in range(min(batch_size, len(dataset)))]
    batch = {name: value.to(device) for name, value in collate(rows).items()}
    was_training = model.training
    with torch.random.fork_rng():
        times = dict.fromkeys((torch.float32, torch.bfloat16), float("inf"))
        for turn in range(1 + _ROUNDS):
            for dtype in times:
                taken = _seconds(model.train(), batch, dtype, device)
                if turn:  # the first one warms up
                    times[dtype] = min(times[dtype], taken)
    model.train(was_training)
    faster = times[torch.bfloat16] <= _LEAST_GAIN * times[torch.float32]
    chosen: list[Precision] = ["bfloat16" if faster else "float32"]
    return cast(Precision, broadcast_object_list(chosen)[0])


def _seconds(
    model: PreTrainedModel, batch: Mapping[str, Tensor], dtype: torch.dtype, device: torch.device
) -> float:
    low = dtype != torch.float32
    started = time.perf_counter()
    with torch.autocast(device.type, dtype=dtype) if low else nullcontext():
        outputs = model(**batch)
    outputs[0].backward()
    if device.type != "cpu":
        torch.accelerator.synchronize()
    model.zero_grad()
    return time.perf_counter() - started
