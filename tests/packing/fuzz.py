"""Reads mutated packed files: each must be unpacked, or refused with the package's own error.

    python -m tests.packing.fuzz --count 200000

Half of the mutations go through the whole file, where the checksum finds most of them. The others
change records, metadata or names and then renew the checksum, as somebody with intent would; only
those reach the decoders. Memory is limited, so that a read that takes too much fails.
"""

import argparse
import random
import resource
import shutil
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from fineprune.errors import PackedFileError
from fineprune.packing import ReadLimits, pack, unpack
from fineprune.packing.reader import from_packed_bytes
from tests.packing.crafting import changed
from tests.packing.folders import TOKENIZER, sparse_matrix, tiny_tensors, write_folder

LIMITS = ReadLimits(weights=1 << 16, attachment_bytes=1 << 16)
SLOW_SECONDS = 5.0
SPARE_MEMORY = 1 << 28

_INTERESTING = (0, 1, 2, 127, 128, 254, 255, 256, 65535, 65536, 1 << 24, (1 << 31) - 1, 1 << 31)


def corpus(folder: Path) -> list[bytes]:
    """Small packed files that between them use everything that the format has."""
    uneven = {f"layer.{seed}.w": sparse_matrix(24, 40, 0.1, seed, uneven=True) for seed in range(2)}
    spread = np.exp(np.random.default_rng(0).standard_normal((60, 1)) * 2).astype(np.float32)
    rows = {"layer.0.w": sparse_matrix(60, 30, 1.0) * spread}
    files: list[bytes] = []
    for tensors, bits in [
        (tiny_tensors(), 8),
        (tiny_tensors(), 3),
        (tiny_tensors(), 16),
        (tiny_tensors(), 32),
        (uneven, 8),
        (uneven, 2),
        (rows, 8),
    ]:
        name = str(len(files))
        write_folder(folder / name, tensors, tokenizer_json=TOKENIZER)
        pack(folder / name, folder / f"{name}.packed", bits=bits, embedding_bits=bits)
        files.append((folder / f"{name}.packed").read_bytes())
    return [*files, changed(files[0], to_version_2)]


def to_version_2(_: dict[str, bytes], metadata: dict[str, str]) -> None:
    """Other keys, by which a file of version 1 becomes one of version 2."""
    metadata.update({"format": "pt", "fineprune.version": "2", "fineprune.requires": "[]"})


def flip(data: bytearray, rng: random.Random) -> None:
    """Flips a bit."""
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def overwrite(data: bytearray, rng: random.Random) -> None:
    """Puts a number that is at some limit anywhere."""
    size = rng.choice((1, 2, 4, 8))
    number = (rng.choice(_INTERESTING) + rng.choice((0, 0, -1))) % (1 << 8 * size)
    at = rng.randrange(len(data) + 1)
    data[at : at + size] = number.to_bytes(size, "little")


def cut(data: bytearray, rng: random.Random) -> None:
    """Takes some bytes out."""
    at = rng.randrange(len(data) + 1)
    del data[at : at + rng.choice((1, 2, 4, len(data)))]


def insert(data: bytearray, rng: random.Random) -> None:
    """Puts some bytes in."""
    at = rng.randrange(len(data) + 1)
    data[at:at] = rng.randbytes(rng.choice((1, 2, 4, 50)))


def repeat(data: bytearray, rng: random.Random) -> None:
    """Copies a part to somewhere else."""
    start, at = (rng.randrange(len(data) + 1) for _ in range(2))
    part = data[start : start + rng.choice((4, 16, 200))]
    data[at : at + len(part)] = part


def digit(data: bytearray, rng: random.Random) -> None:
    """Changes a digit of a text, such as a size or an offset in the header."""
    digits = [at for at, byte in enumerate(data) if 48 <= byte <= 57]
    if digits:
        data[rng.choice(digits)] = 48 + rng.randrange(10)


MUTATIONS: Sequence[Callable[[bytearray, random.Random], None]] = (
    flip,
    flip,
    overwrite,
    overwrite,
    cut,
    insert,
    repeat,
    digit,
)


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Some bytes changed in one to four places."""
    copy = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        rng.choice(MUTATIONS)(copy, rng)
    return bytes(copy)


def with_intent(data: bytes, rng: random.Random) -> bytes:
    """Something inside of the file changed, and the checksum renewed."""

    def change(entries: dict[str, bytes], metadata: dict[str, str]) -> None:
        kind = rng.random()
        name = rng.choice(sorted(entries))
        if kind < 0.1:
            key = rng.choice(sorted(metadata))
            metadata[key] = mutated(metadata[key].encode(), rng).decode(errors="replace")
        elif kind < 0.15:
            entries[name] = entries[rng.choice(sorted(entries))]
        elif kind < 0.2:
            renamed = mutated(name.encode(), rng).decode(errors="replace")
            entries[renamed] = entries.pop(name)
        elif kind < 0.5:  # the fields at the beginning, where few bytes decide much
            front = rng.randrange(1, 48)
            entries[name] = mutated(entries[name][:front], rng) + entries[name][front:]
        else:
            entries[name] = mutated(entries[name], rng)

    return changed(data, change)


def outcome(data: bytes, folder: Path) -> str:
    """`success`, or the name of the package's error; any other error is raised.

    Args:
        data: of the file.
        folder: where there is room to unpack it.
    """
    try:
        from_packed_bytes(data, LIMITS)
    except PackedFileError as error:
        if "\n" in str(error):
            raise AssertionError("an error of several lines") from error
        return type(error).__name__
    (folder / "file").write_bytes(data)
    unpack(folder / "file", folder / "target", limits=LIMITS)
    for array in load_file(folder / "target/model.safetensors").values():
        assert np.isfinite(array).all(), "a weight is not finite"
    shutil.rmtree(folder / "target")
    return "success"


def count_outcomes(
    count: int,
    seed: int,
    draw: Callable[[random.Random, int], bytes],
    outcome_of: Callable[[bytes], str],
) -> Counter[str]:
    """How often each outcome came.

    Args:
        count: of files.
        seed: of the choices.
        draw: makes the file of a number.
        outcome_of: what came of it; raises what must not come.

    Raises:
        AssertionError: a file had another outcome; it is kept, and the message says where.
    """
    rng = random.Random(seed)
    outcomes: Counter[str] = Counter()
    for number in range(count):
        data = draw(rng, number)
        try:
            outcomes[outcome_of(data)] += 1
        except BaseException as error:
            path = Path(tempfile.gettempdir()) / f"fineprune-fuzz-{seed}-{number}.safetensors"
            path.write_bytes(data)
            raise AssertionError(
                f"seed {seed}, file {number}: {error!r}; kept as {path}"
            ) from error
    return outcomes


def fuzz(count: int, seed: int) -> Counter[str]:
    """How often each outcome came.

    Raises:
        AssertionError: as `count_outcomes`.
    """
    with tempfile.TemporaryDirectory() as temporary:
        files = corpus(Path(temporary))

        def draw(rng: random.Random, number: int) -> bytes:
            source = rng.choice(files)
            return mutated(source, rng) if number % 2 else with_intent(source, rng)

        def timely_outcome(data: bytes) -> str:
            start = time.process_time()
            found = outcome(data, Path(temporary))
            assert time.process_time() - start < SLOW_SECONDS, "too slow"
            return found

        return count_outcomes(count, seed, draw, timely_outcome)


def limit_memory() -> None:
    """Lets this process grow by `SPARE_MEMORY` and no more."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + SPARE_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def main() -> None:
    """Prints how often each outcome came."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    warnings.simplefilter("error")
    limit_memory()
    for name, times in fuzz(arguments.count, arguments.seed).most_common():
        print(f"{times:9,}  {name}")


if __name__ == "__main__":
    main()
