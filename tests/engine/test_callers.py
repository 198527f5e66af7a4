"""Several callers of one engine, batches of any size, and the memory that they take."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fineprune import Engine
from fineprune.engine import engine as engine_module
from fineprune.engine.errors import InputError
from fineprune.engine.inputs import Sequences, room
from tests.engine.conftest import MakePacked
from tests.engine.zoo import HEADS, VOCABULARY, build, save_packed


def tokens(batch: int, length: int, seed: int = 0) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(5, VOCABULARY, (batch, length))


def with_threads(file: Path, threads: int, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """An engine of so many threads, whatever this machine has."""
    monkeypatch.setattr(engine_module, "count_threads", lambda wanted: wanted)
    return Engine(file, threads=threads)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_callers_find_what_they_find_alone(
    threads: int, packed: MakePacked, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = with_threads(packed().file, threads, monkeypatch)
    inputs = [tokens(1 + seed % 5, 5 + 4 * seed, seed) for seed in range(24)]
    expected = [Engine(packed().file, threads=1).run(ids)["logits"] for ids in inputs]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            found = list(pool.map(lambda ids: engine.run(ids)["logits"], inputs))
            for one, other in zip(found, expected, strict=True):
                np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_short_run_does_not_wait_for_a_long_one(
    threads: int, packed: MakePacked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "count_threads", lambda wanted: wanted)
    engine = Engine(packed().file, threads=threads, max_batch_tokens=10**9)
    short, long = tokens(1, 5), tokens(2000, 512)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(engine.run, long)
        time.sleep(0.1)  # it is on its way; on the fastest machines it takes a second
        assert not running.done()
        for _ in range(5):
            engine.run(short)
        assert not running.done()
        running.result()


# Batches in parts.


@pytest.mark.parametrize("most", [1, 50, 64, 1000])
@pytest.mark.parametrize("head", HEADS)
def test_parts_of_a_batch_say_the_same(head: str, most: int, packed: MakePacked) -> None:
    model = packed(head=head)
    ids = tokens(9, 40)
    mask = (np.arange(40) < np.linspace(1, 40, 9).astype(int)[:, None]).astype(np.int64)
    whole = Engine(model.file, threads=1, max_batch_tokens=10**6).run(ids, mask)
    parts = Engine(model.file, threads=1, max_batch_tokens=most).run(ids, mask)
    assert whole.keys() == parts.keys()
    for name, values in whole.items():
        # In tiles of another width sums are taken in another order.
        np.testing.assert_allclose(parts[name], values, rtol=1e-4, atol=1e-4)


def lengths_of_parts(lengths: list[int], most: int) -> list[list[int]]:
    size = sum(lengths)
    numbers = np.arange(size, dtype=np.int32)
    every = Sequences(numbers, numbers + 1, numbers + 2, np.array(lengths, np.int32))
    found = list(every.parts(most))
    np.testing.assert_array_equal(np.concatenate([part.tokens for _, part in found]), every.tokens)
    for rows, part in found:
        np.testing.assert_array_equal(part.lengths, every.lengths[rows])
        assert part.tokens.size == part.positions.size == part.types.size == part.lengths.sum()
    return [part.lengths.tolist() for _, part in found]


def test_parts() -> None:
    assert [room(length) for length in (1, 16, 17, 512)] == [16, 16, 32, 512]
    assert lengths_of_parts([16, 16, 16], 48) == [[16, 16, 16]]
    assert lengths_of_parts([16, 16, 16], 47) == [[16, 16], [16]]
    assert lengths_of_parts([1, 1, 1], 32) == [[1, 1], [1]]
    assert lengths_of_parts([100, 1, 100, 1], 32) == [[100], [1], [100], [1]]
    assert lengths_of_parts([5], 1) == [[5]]


def test_texts_are_run_in_parts_too(packed: MakePacked, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(packed().file, threads=1, max_batch_tokens=64)
    model = engine._model
    ran: list[int] = []
    run = type(model)._hidden

    def counted(self: Any, sequences: Sequences) -> Any:
        ran.append(int(room(sequences.lengths).sum()))
        return run(self, sequences)

    monkeypatch.setattr(type(model), "_hidden", counted)
    ids = [[5] * length for length in (3, 100, 17, 1, 33)]
    assert len(model.values(ids, [[0] * len(row) for row in ids])) == 5
    assert ran == [112, 48, 64]


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, None])
def test_no_number_of_tokens(wrong: Any, packed: MakePacked) -> None:
    with pytest.raises(InputError, match=r"max_batch_tokens is .*; expected a whole number"):
        Engine(packed().file, max_batch_tokens=wrong)


# Memory.


def resident() -> int:
    """Bytes of this process that are in memory."""
    fields = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    [line] = [line for line in fields if line.startswith("VmRSS:")]
    return 1024 * int(line.split()[1])


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")
def test_memory_of_a_large_batch_goes_back(tmp_path: Path) -> None:
    """Activations of 20,000 tokens, 256 wide, as state, query, key and value: 82 MB."""
    sizes = {"hidden_size": 256, "num_hidden_layers": 1, "intermediate_size": 8}
    model = save_packed(build("bert", "sequence", 0.05, **sizes), tmp_path / "model", "sequence")
    small, large = tokens(1, 5), tokens(1250, 16)
    whole = Engine(model.file, threads=1, max_batch_tokens=10**6)
    parts = Engine(model.file, threads=1, max_batch_tokens=1024)
    for engine in (whole, parts):
        engine.run(small)
    before = resident()
    with ThreadPoolExecutor(1) as pool:
        most = before
        running = pool.submit(whole.run, large)
        while not running.done():
            most = max(most, resident())
    assert most - before > 60e6
    assert resident() - before < 30e6
    before = most = resident()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(parts.run, large)
        while not running.done():
            most = max(most, resident())
    assert most - before < 30e6
