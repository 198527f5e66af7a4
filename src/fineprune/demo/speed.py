"""What the demo's zeros are worth in milliseconds."""

from collections.abc import Callable
from pathlib import Path

from fineprune.engine.threads import count_threads
from fineprune.report.speed.race import Course, race
from fineprune.report.speed.shapes import Shape

SENTENCE = Shape(batch=1, tokens=16)


def time_sentence(packed: Path, say: Callable[[str], None]) -> str:
    """A line that says how long a sentence takes in PyTorch, and how long in the engine.

    PyTorch runs the same weights, zeros and all: it multiplies with each of them, so that a dense
    model takes as long.

    Args:
        packed: a packed file.
        say: is told what is being done.

    Raises:
        PackedFileError: the file is no packed model.
    """
    threads = count_threads(None)
    found = race(packed, ["torch", "fineprune"], Course([SENTENCE], threads), say)
    if found.left_out:
        return "; ".join(f"{name} was not timed: {why}" for name, why in found.left_out.items())
    torch, ours = (timing.milliseconds for timing in found.timings)
    return (
        f"A sentence of {SENTENCE.tokens} tokens, {threads} threads: {torch:.2f} ms in PyTorch, "
        f"{ours:.2f} ms in the engine: {torch / ours:.1f} times as fast"
    )
