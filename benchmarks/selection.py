"""Times exact top-k selection against sorting and `kthvalue`, on matrices of BERT-base.

    python benchmarks/selection.py

The cost counts: a ranked method selects at every optimizer step.
"""

import statistics
import time
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table

from fineprune.core.selection import kth_largest

SHAPES = [(768, 768), (3072, 768)]
KEEP = 0.1
REPEATS = 9


def milliseconds(function: Callable[[], object]) -> float:
    """Median time of a call, after one to warm up."""
    function()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3


def main() -> None:
    """Prints one row a shape, all rivals in one run."""
    table = Table(title=f"Milliseconds to find the cut that keeps {KEEP:.0%}")
    for heading in ("matrix", "sort", "topk", "kthvalue", "fineprune"):
        table.add_column(heading, justify="right")
    for shape in SHAPES:
        values = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        flat, count = values.flatten(), int(KEEP * values.numel())
        rivals: list[Callable[[], object]] = [
            lambda flat=flat: flat.sort(descending=True),  # type: ignore[misc]
            lambda flat=flat, count=count: flat.topk(count),  # type: ignore[misc]
            lambda flat=flat, count=count: flat.kthvalue(flat.numel() - count + 1),  # type: ignore[misc]
            lambda values=values, count=count: kth_largest([values], count),  # type: ignore[misc]
        ]
        times = [f"{milliseconds(rival):.1f}" for rival in rivals]
        table.add_row(f"{shape[0]} x {shape[1]}", *times)
    Console().print(table, f"{torch.get_num_threads()} threads, medians of {REPEATS}")


if __name__ == "__main__":
    main()
